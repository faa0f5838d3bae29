(() => {
  "use strict";
  if (window.nurture?.page) return; // included twice
  const script = document.currentScript;
  const home = new URL(script.src).origin;
  const needsConsent = script.dataset.consent === "required";
  const domain = script.dataset.domain ? `;domain=${script.dataset.domain}` : "";
  const secure = location.protocol === "https:" ? ";secure" : "";
  const months = 34214400; // 13 of them, from the last visit
  const cookie = (value, seconds, where = domain) => {
    document.cookie = `nv=${value};path=/;max-age=${seconds};samesite=lax${where}${secure}`;
  };
  const known = () => (document.cookie.match(/(?:^|; )nv=([\w-]{16,64})(?:;|$)/) || [])[1];
  const isRefused = () => /(?:^|; )nv=no(?:;|$)/.test(document.cookie);

  // the token of a mail's link is read once and stays in no address bar, bookmark or referrer
  const here = new URL(location.href);
  let token = here.searchParams.get("nl");
  if (token !== null) {
    here.searchParams.delete("nl");
    history.replaceState(history.state, "", here);
  }

  if (navigator.globalPrivacyControl || navigator.doNotTrack === "1") {
    window.nurture = { page() {}, consent() {} };
    return;
  }
  let isOn = needsConsent ? Boolean(known()) : !isRefused();

  const visitor = () => {
    let id = known();
    if (!id) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    cookie(id, months);
    return known(); // none where the browser keeps none
  };
  const fillForms = () => {
    for (const input of document.querySelectorAll(`form[action^="${home}/forms/"] input[name="visitor"]`)) {
      input.value = (isOn && known()) || "";
    }
  };
  const page = () => {
    const id = isOn && visitor();
    if (!id) return;
    const seen = new URL(location.href);
    seen.hash = "";
    for (const name of [...seen.searchParams.keys()]) {
      if (!name.startsWith("utm_")) seen.searchParams.delete(name);
    }
    const told = new URLSearchParams({ v: id, u: seen });
    if (token) told.set("l", token);
    token = null;
    navigator.sendBeacon(`${home}/t`, told);
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fillForms);
    else fillForms();
  };
  const consent = (isGiven) => {
    const wasOn = isOn;
    isOn = Boolean(isGiven);
    if (isOn && !wasOn) page();
    if (!isOn) {
      cookie("", 0, "");
      // where nobody asks first, a no has to be remembered
      if (needsConsent) cookie("", 0);
      else cookie("no", months);
      fillForms();
    }
  };
  window.nurture = { page, consent };
  if (document.prerendering) document.addEventListener("prerenderingchange", page, { once: true });
  else page();
})();
