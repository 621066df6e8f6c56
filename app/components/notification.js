// The browser's own word that runs have ended, for those who look at something else; and the question whether it may,
// which browsers let be asked by a click alone.

const told = new Set(); // ids

export default function ({ data, setStateValue }) {
  const browser = globalThis.Notification; // there is none at an address that is not secure
  const permission = browser ? browser.permission : "denied";
  if (permission !== data.permission) setStateValue("permission", permission);
  const ask = ({ target }) => {
    if (browser && target.closest?.(`.st-key-${data.button}`))
      browser.requestPermission().then((answer) => setStateValue("permission", answer));
  };
  document.addEventListener("click", ask);
  for (const { id, text } of data.endings) {
    if (told.has(id)) continue;
    told.add(id);
    if (permission === "granted" && !document.hasFocus()) new browser("Espalier", { body: text });
  }
  return () => document.removeEventListener("click", ask);
}
