/** Keeps the screen of a phone from going dark in a call, where the browser can. */
export function keepAwake() {
  const request = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      await navigator.wakeLock?.request("screen");
    } catch {
      // Refused, e.g. to save the battery: the call goes on, the screen goes dark.
    }
  };
  // The browser lets go whenever the page is hidden.
  document.addEventListener("visibilitychange", request);
  void request();
}
