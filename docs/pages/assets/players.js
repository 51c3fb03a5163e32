// One player at a time: a player that starts stops the others.
document.addEventListener(
  "play",
  (event) => {
    document.querySelectorAll("audio").forEach((audio) => {
      if (audio !== event.target) audio.pause();
    });
  },
  true,
);
