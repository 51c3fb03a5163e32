from latentstem.data.compose.bassnet_sets import compose_artificial as compose_artificial
from latentstem.data.compose.composer import compose as compose
from latentstem.data.compose.loops import compose_loop as compose_loop
from latentstem.data.compose.loops import repeat_song as repeat_song
from latentstem.data.compose.timbre_pairs import compose_references as compose_references
from latentstem.data.compose.timbre_pairs import compose_timbre_pair as compose_timbre_pair
