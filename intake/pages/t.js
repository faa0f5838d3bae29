(() => {
  "use strict";
  const script = document.currentScript;
  const home = new URL(script.src).origin;
  const needsConsent = script.dataset.consent === "required";
  const domain = script.dataset.domain ? `;domain=${script.dataset.domain}` : "";
  const secure = location.protocol === "https:" ? ";secure" : "";
  const cookie = (value, seconds) => {
    document.cookie = `nv=${value};path=/;max-age=${seconds};samesite=lax${domain}${secure}`;
  };
  const known = () => (document.cookie.match(/(?:^|; )nv=([\w-]{16,64})(?:;|$)/) || [])[1];

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
  let isOn = !needsConsent || Boolean(known());

  const visitor = () => {
    let id = known();
    if (!id) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    cookie(id, 34214400); // 13 months from the last visit
    return id;
  };
  const fillForms = (id) => {
    for (const input of document.querySelectorAll(`form[action^="${home}/forms/"] input[name="visitor"]`)) {
      input.value = id;
    }
  };
  const page = () => {
    if (!isOn) return;
    const id = visitor();
    const told = new URLSearchParams({ v: id, u: location.href });
    if (token) told.set("l", token);
    token = null;
    navigator.sendBeacon(`${home}/t`, told);
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => fillForms(id));
    } else {
      fillForms(id);
    }
  };
  const consent = (isGiven) => {
    const wasOn = isOn;
    isOn = Boolean(isGiven);
    if (isOn && !wasOn) page();
    if (!isOn) {
      cookie("", 0);
      fillForms("");
    }
  };
  window.nurture = { page, consent };
  page();
})();
