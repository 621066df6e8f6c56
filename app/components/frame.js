// What a browser does around every page: it closes the menu that lies over a phone's page once another page is chosen,
// has the Space key tick the row of a table in which a cell was stepped to, and tells the user of runs that have ended.
//
// A link to `#KEY` goes to the button of that key, with the focus, too: Streamlit's own links move the page alone. A
// toast's link to a page opens it here, where Streamlit would open another tab.
// Permission for such a notification is asked for in the click on its switch: some browsers allow it nowhere else.

// Beside this module, which is loaded anew where Streamlit mounts it again.
const held = (globalThis.espalierFrame ??= { page: null, told: 0, call: null });

export default function ({ data, setStateValue }) {
  if (held.page !== null && held.page !== data.page) closeMenu();
  held.page = data.page;
  held.call?.abort();
  const call = (held.call = new AbortController()); // Streamlit ends an earlier call when a later one may have begun
  const heard = { capture: true, signal: call.signal };
  document.addEventListener("keydown", tickRow, heard);
  const clicked = (event) => {
    const { target } = event;
    if (target.closest?.(`.st-key-${CSS.escape(data.switch)}`)) ask(setStateValue);
    const link = target.closest?.('a[href^="#"]');
    if (link) goTo(link.hash.slice(1));
    const page = target.closest?.('[data-testid="stToast"] a[href^="./"]');
    if (page && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      window.location.assign(page.href);
    }
  };
  document.addEventListener("click", clicked, heard);
  if (data.batch !== held.told) data.endings.forEach(notify);
  held.told = data.batch;
  return () => call.abort();
}

function goTo(key) {
  const button = document.querySelector(`[class*="st-key-${CSS.escape(key)}"] button`);
  button?.scrollIntoView({ block: "center" });
  button?.focus({ preventScroll: true });
}

function closeMenu() {
  const menu = document.querySelector('[data-testid="stSidebar"][data-collapsed="false"]');
  if (menu) menu.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
}

// As Shift and Space do by themselves. A table's tools and its search are no cells.
function tickRow(event) {
  const { target } = event;
  const isCell = target.closest?.('[data-testid="stDataFrame"]') && !target.closest("button, input");
  if (!isCell || event.key !== " " || event.shiftKey || event.ctrlKey) return;
  event.preventDefault();
  event.stopPropagation();
  const pressed = { key: " ", code: "Space", keyCode: 32, shiftKey: true, bubbles: true, cancelable: true };
  target.dispatchEvent(new KeyboardEvent("keydown", pressed));
}

async function ask(setStateValue) {
  if (!("Notification" in window)) {
    setStateValue("permission", "unsupported");
    return;
  }
  const known = Notification.permission;
  setStateValue("permission", known === "default" ? await Notification.requestPermission() : known);
}

function notify({ text, link }) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const notification = new Notification("Espalier", { body: text });
  notification.onclick = () => {
    window.focus();
    window.location.assign(link);
  };
}
