// A page that waits for work asks every two seconds how it stands, and comes again when that has changed.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const waiting = document.querySelector("[data-watch]");
  if (!waiting) return;
  const step = waiting.querySelector("[data-step]");
  const ask = async () => {
    try {
      const answer = await fetch(waiting.dataset.watch, { credentials: "same-origin", headers: { Accept: "application/json" } });
      const now = answer.ok ? await answer.json() : null;
      if (now && now.state !== waiting.dataset.state) return void location.reload();
      if (now && step && now.step && step.textContent !== now.step) step.textContent = now.step;
    } catch {
      // the server is away for a moment: ask again
    }
    setTimeout(ask, 2000);
  };
  setTimeout(ask, 1000);
});
