/** @import { Clock } from "./clock.js" */

const LOOK_EVERY_MS = 100;
// What came all the time and then does not: longer than any pause between two packets until then.
const SILENCE_MS = 350;
const REGULAR_MS = 250;
const STEADY_MS = 2000;
// A stall may have another cause, such as a full link; then a restart is for nothing.
const BETWEEN_RENEWALS_MS = 10_000;
// Once ICE has been restarted; then the whole connection is made anew.
const RENEWAL_LIMIT_MS = 8000;

/** Whether something that came steadily has stopped to come. */
export class Arrivals {
  #marker = 0;
  #at = -Infinity;
  #steadySince = -Infinity;

  /**
   * @param {number} marker grows with what arrives
   * @param {number} now milliseconds
   */
  note(marker, now) {
    if (marker <= this.#marker) return;
    if (now - this.#at > REGULAR_MS) this.#steadySince = now;
    this.#marker = marker;
    this.#at = now;
  }

  /**
   * @param {number} now milliseconds
   * @returns {boolean}
   */
  stopped(now) {
    return now - this.#at >= SILENCE_MS && this.#at - this.#steadySince >= STEADY_MS;
  }

  /** What comes next may be counted in another way. */
  reset() {
    this.#marker = 0;
    this.#at = this.#steadySince = -Infinity;
  }
}

/**
 * How much has arrived on a connection: when the last packet of any track came, without a call into the statistics, and
 * where there are no tracks the number of packets.
 *
 * @param {RTCPeerConnection} pc
 * @returns {Promise<number>}
 */
async function arrived(pc) {
  const receiving = pc.getTransceivers().filter(({ currentDirection }) => currentDirection?.includes("recv"));
  if (receiving.length > 0)
    return Math.max(
      0,
      ...receiving.flatMap(({ receiver }) => receiver.getSynchronizationSources().map(({ timestamp }) => timestamp)),
    );
  return packetsOf(pc);
}

/**
 * How many packets of any kind have arrived on a connection: RTCP, too.
 *
 * @param {RTCPeerConnection} pc
 * @returns {Promise<number>}
 */
async function packetsOf(pc) {
  let packets = 0;
  for (const entry of (await pc.getStats()).values())
    if (entry.type === "transport") packets += entry.packetsReceived ?? 0;
  return packets;
}

/**
 * Keeps the path of a connection: restarts ICE when the connection breaks, when the network has changed, or as soon as
 * nothing arrives any more; a browser notices by itself after seconds. It gives up where a restart does not help.
 */
export class PathKeeper {
  #pc;
  #clock;
  #renew;
  #giveUp;
  #arrivals = new Arrivals();
  #receiving = 0;
  #marker = 0;
  /** @type {number | null} packets at the first look that found nothing new */
  #packets = null;
  /** @type {any} */
  #timer = null;
  /** @type {any} */
  #limit = null;
  #renewedAt = -Infinity;

  /**
   * @param {RTCPeerConnection} pc
   * @param {object} options
   * @param {Clock} options.clock
   * @param {() => void} options.renew restarts ICE: the next offer has new names
   * @param {(reason: string) => void} options.giveUp makes another connection
   */
  constructor(pc, { clock, renew, giveUp }) {
    this.#pc = pc;
    this.#clock = clock;
    this.#renew = renew;
    this.#giveUp = giveUp;
    this.#look();
  }

  /** The connection has another state. */
  stateChanged() {
    switch (this.#pc.connectionState) {
      case "connected":
        this.#clock.clearTimeout(this.#limit);
        this.#limit = null;
        break;
      case "disconnected":
      case "failed":
        if (this.#limit === null) this.#restart();
        break;
      default:
    }
  }

  /** The machine has another network: the path in use is probably gone. */
  networkChanged() {
    if (this.#limit === null && this.#pc.connectionState !== "new") this.#restart();
  }

  stop() {
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#limit);
  }

  #restart() {
    this.#renewedAt = this.#clock.now();
    this.#limit = this.#clock.setTimeout(() => {
      this.#limit = null;
      if (this.#pc.connectionState !== "connected") this.#giveUp("the connection to the media server was lost");
    }, RENEWAL_LIMIT_MS);
    this.#renew();
  }

  #look() {
    this.#timer = this.#clock.setTimeout(() => void this.#listen(), LOOK_EVERY_MS);
  }

  async #listen() {
    const marker = this.#pc.connectionState === "connected" ? await arrived(this.#pc) : null;
    // Stopped or closed meanwhile.
    if (this.#pc.connectionState === "closed") return;
    const now = this.#clock.now();
    if (marker !== null) {
      const receiving = this.#pc.getTransceivers().length;
      if (receiving !== this.#receiving) this.#arrivals.reset();
      this.#receiving = receiving;
      this.#arrivals.note(marker, now);
      const due = now - this.#renewedAt >= BETWEEN_RENEWALS_MS && this.#limit === null;
      if (due) await this.#judge(marker, now);
    }
    this.#look();
  }

  /**
   * @param {number} marker
   * @param {number} now
   */
  async #judge(marker, now) {
    if (marker !== this.#marker) {
      this.#marker = marker;
      this.#packets = null;
      return;
    }
    const packets = await packetsOf(this.#pc);
    this.#packets ??= packets;
    if (!this.#arrivals.stopped(now) || this.#pc.connectionState !== "connected" || this.#limit !== null) return;
    // The media has stopped, but the path is there: somebody has switched off what they show.
    if (packets > this.#packets) this.#arrivals.reset();
    else this.#restart();
  }
}
