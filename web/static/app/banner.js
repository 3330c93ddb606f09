import { byId } from "./element.js";

const TICK_MS = 250;

/** The state of the connection, when it is not as it should be. */
export class Banner {
  #root = byId("banner", HTMLDivElement);
  #text = byId("banner-text", HTMLElement);
  #action = byId("banner-action", HTMLButtonElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {() => void} onAction */
  constructor(onAction) {
    this.#action.addEventListener("click", onAction);
  }

  /** @param {string} text empty: all is well */
  show(text) {
    clearInterval(this.#timer);
    this.#root.hidden = !text;
    this.#action.hidden = true;
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  /**
   * @param {string} text
   * @param {number} milliseconds until the next try
   * @param {string} action
   */
  countDown(text, milliseconds, action) {
    const end = performance.now() + milliseconds;
    const tick = () => {
      const seconds = Math.max(1, Math.ceil((end - performance.now()) / 1000));
      this.#text.textContent = `${text} Trying again in ${seconds} s.`;
    };
    this.show(text);
    tick();
    this.#action.textContent = action;
    this.#action.hidden = false;
    this.#timer = setInterval(tick, TICK_MS);
  }
}
