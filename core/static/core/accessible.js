// What unfold's pages lack for the keyboard and for screen readers. Nothing here changes what a page does.
"use strict";

(() => {
  const NATIVE = "a[href], button, input, select, textarea, summary";
  // the ground behind a panel, and a cell around a control of its own
  const NO_CONTROL = "#changelist-filter-close, td";
  const NAMES = {
    dock_to_right: "Menu", more_vert: "More", light_mode: "Theme", dark_mode: "Theme", computer: "Theme",
  };

  // What is clicked can be reached with Tab, and pressed with Enter or the space bar.
  function makeControl(element) {
    if (element.matches(NATIVE) || element.matches(NO_CONTROL) || element.hasAttribute("tabindex")) return;
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    const name = NAMES[element.textContent.trim()];
    if (name && !element.title) element.setAttribute("aria-label", name);
    element.addEventListener("keydown", (event) => {
      if (event.target !== element || !["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      element.click();
    });
  }

  // An icon is a word in a font of pictures, such as "chevron_right": not read out where something else says what it is.
  function nameIcon(icon) {
    if (icon.hasAttribute("role")) return;
    const control = icon.closest(`${NATIVE}, [role=button]`);
    const word = icon.textContent.trim();
    if (control && control.textContent.trim() === word && !control.title) {
      if (NAMES[word] && !control.ariaLabel) control.setAttribute("aria-label", NAMES[word]);
    } else {
      const value = control ? null : icon.closest("[title]"); // yes, no or unknown
      value?.setAttribute("role", "img");
      value?.setAttribute("aria-label", value.title);
      icon.setAttribute("aria-hidden", "true");
    }
  }

  // A select2 box is named by its value only, an empty one by nothing: name it as its field is, then by its value.
  function nameSelect2(box) {
    const select = box.closest(".select2-container")?.previousElementSibling;
    const value = box.querySelector(".select2-selection__rendered");
    const label = select?.labels?.[0];
    if (!label || !value) return;
    label.id ||= `label-of-${select.id}`;
    box.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
    value.setAttribute("aria-labelledby", label.id);
  }

  function addSkipLink() {
    if (!document.querySelector("#content")) return;
    const link = Object.assign(document.createElement("a"), { href: "#content", className: "skip-link" });
    link.textContent = "Skip to the content";
    document.body.prepend(link);
    document.querySelector("#content").tabIndex = -1;
  }

  // The panel of filters stands behind the list: whoever opens it goes on in it.
  function enterFilters() {
    const panel = document.querySelector("#changelist-filter");
    document.querySelector(".filter-open-button")?.addEventListener("click", () => {
      setTimeout(() => panel?.querySelector("a")?.focus(), 0);
    });
  }

  function mend(root) {
    root.querySelectorAll("[x-on\\:click]").forEach(makeControl);
    root.querySelectorAll(".material-symbols-outlined").forEach(nameIcon);
    root.querySelectorAll(".select2-selection").forEach(nameSelect2);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("#main, .login #page")?.setAttribute("role", "main");
    // the browser looked for it while unfold still hid the page
    document.querySelector("[autofocus]")?.focus();
    addSkipLink();
    enterFilters();
    mend(document);
    // rows of a form, boxes of select2 and answers of htmx come later
    const mendAdded = (changes) => changes.some((change) => change.addedNodes.length) && mend(document);
    new MutationObserver(mendAdded).observe(document.body, { childList: true, subtree: true });
  });
})();
