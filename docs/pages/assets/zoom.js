// Plots open at full size: by click, tap or the keyboard; Escape, a click or the button closes.
document.querySelectorAll('img[src*="benchmarks/results/"]').forEach((picture) => {
  const opener = document.createElement("button");
  opener.type = "button";
  opener.className = "zoomable";
  opener.setAttribute("aria-haspopup", "dialog");
  opener.title = "Open at full size";
  picture.replaceWith(opener);
  opener.append(picture);
  opener.addEventListener("click", () => zoom(picture));
});

function zoom(picture) {
  const dialog = document.createElement("dialog");
  dialog.className = "zoom";
  dialog.setAttribute("aria-label", picture.alt);
  const box = document.createElement("div");
  box.tabIndex = 0; // arrow keys scroll it
  box.append(picture.cloneNode());
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.autofocus = true;
  dialog.append(box, close);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove()); // the browser gives the focus back to the opener
  document.body.append(dialog);
  dialog.showModal();
}
