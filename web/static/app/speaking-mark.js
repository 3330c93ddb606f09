/**
 * Shows of somebody whether they speak. Those who do not see the mark may ask for the description; it is not read
 * out by itself, as it comes and goes with every sentence.
 *
 * @param {HTMLElement} shown
 * @param {boolean} speaking
 */
export function markSpeaking(shown, speaking) {
  shown.classList.toggle("speaking", speaking);
  if (speaking) shown.setAttribute("aria-description", "speaking");
  else shown.removeAttribute("aria-description");
}
