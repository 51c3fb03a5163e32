from latentstem.data.stems.check import FolderReport as FolderReport
from latentstem.data.stems.check import Problem as Problem
from latentstem.data.stems.check import check_folder as check_folder
from latentstem.data.stems.crops import StemCrops as StemCrops
from latentstem.data.stems.folder import StemFolder as StemFolder
from latentstem.data.stems.layouts import StemError as StemError
from latentstem.data.stems.submix import SubmixSampler as SubmixSampler
from latentstem.data.stems.track import StemTrack as StemTrack
