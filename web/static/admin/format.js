/** How figures are written: short, and with the unit that fits. */

/** @param {number} value bits per second */
export function bitrate(value) {
  if (value < 1000) return `${Math.round(value)} bit/s`;
  if (value < 1e6) return `${Math.round(value / 1000)} kbit/s`;
  return value < 1e9 ? `${rounded(value / 1e6)} Mbit/s` : `${rounded(value / 1e9)} Gbit/s`;
}

/** @param {number} value of 1 */
export function percent(value) {
  const hundredths = value * 100;
  return `${hundredths && hundredths < 10 ? rounded(hundredths) : Math.round(hundredths)} %`;
}

/** @param {number} value */
export function bytes(value) {
  return value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${rounded(value / 1e9)} GB`;
}

/** @param {number | null} seconds */
export function milliseconds(seconds) {
  if (seconds === null) return "–";
  const ms = seconds * 1000;
  if (ms >= 10_000) return `${Math.round(seconds)} s`;
  return ms < 10 ? `${rounded(ms)} ms` : `${Math.round(ms)} ms`;
}

/** @param {number} value */
export function count(value) {
  if (value < 10_000) return String(Math.round(value));
  return value < 1e6 ? `${rounded(value / 1000)} k` : `${rounded(value / 1e6)} M`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/**
 * @param {number} seconds since 1970
 * @param {number} now milliseconds since 1970
 */
export function ago(seconds, now) {
  const passed = Math.max(now / 1000 - seconds, 0);
  return passed < 5 ? "now" : `${duration(passed)} ago`;
}

/** @param {number} value */
function rounded(value) {
  return value < 10 ? value.toFixed(1).replace(/\.0$/, "") : String(Math.round(value));
}
