// Frames are as tall as what they show. Opened from a disk, a browser keeps pages apart, and they keep the
// height of the style sheet.
for (const frame of document.querySelectorAll("iframe.live")) {
  const fit = () => {
    const body = frame.contentDocument?.body;
    if (!body) return;
    const follow = () => {
      frame.style.height = `${Math.ceil(body.getBoundingClientRect().height) + 34}px`;
    };
    new ResizeObserver(follow).observe(body);
    follow();
  };
  frame.addEventListener("load", fit);
  if (frame.contentDocument?.readyState === "complete") fit();
}
