// Names the box that it is in for a screen reader, as of checkboxes or radio buttons; it shows nothing itself.

const PATIENCE = 50; // milliseconds between two looks whether the box is in the page

function render({ model, el }) {
  el.style.display = "none";
  let waiting;
  const name = () => {
    const box = el.parentElement?.closest(".widget-box");
    if (!box) {
      waiting = setTimeout(name, PATIENCE);
      return;
    }
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", model.get("text"));
  };
  name();
  return () => clearTimeout(waiting);
}

export default { render };
