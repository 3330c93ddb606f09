const NAMELESS = "Guest";

/**
 * @param {string | undefined} name
 * @returns {string}
 */
export function shown(name) {
  return name?.trim() || NAMELESS;
}

/**
 * One or two letters that stand for a name.
 *
 * @param {string} name
 * @returns {string}
 */
export function initials(name) {
  const words = shown(name).split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends.map((word) => [...word].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "").join("").toUpperCase() || "?";
}

/**
 * A colour of a name's own, the same for everybody.
 *
 * @param {string} name
 * @returns {number} a hue, 0 to 359
 */
export function hue(name) {
  let hash = 0;
  for (const letter of shown(name)) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return hash % 360;
}

/**
 * Makes an element the avatar of a name.
 *
 * @param {HTMLElement} avatar
 * @param {string} name
 */
export function setAvatar(avatar, name) {
  avatar.textContent = initials(name);
  avatar.style.setProperty("--hue", String(hue(name)));
}
