from latentstem.plotting.scores import plot_scores as plot_scores
from latentstem.plotting.song import plot_song as plot_song
from latentstem.plotting.spectrogram import log_frequency_spectrogram as log_frequency_spectrogram
from latentstem.plotting.spectrogram import plot_spectrograms as plot_spectrograms
from latentstem.plotting.spectrogram import write_preview as write_preview
