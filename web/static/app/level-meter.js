/** How loud a microphone is. */
export class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {MediaStreamTrack | null} */
  #track = null;
  #samples = new Float32Array(1024);

  /** @param {MediaStreamTrack | null} track */
  setTrack(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#source?.disconnect();
    this.#source = null;
    if (!track || !globalThis.AudioContext) return;
    this.#context ??= new AudioContext();
    this.resume();
    if (!this.#analyser) {
      this.#analyser = this.#context.createAnalyser();
      this.#analyser.fftSize = this.#samples.length;
    }
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** A page that nobody has touched yet may not start audio; call this when somebody has. */
  resume() {
    if (this.#context?.state === "suspended") void this.#context.resume();
  }

  /** @returns {number} root mean square, 0 to 1 */
  level() {
    if (!this.#analyser || !this.#source || !this.#track?.enabled) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }

  close() {
    this.setTrack(null);
    void this.#context?.close();
    this.#context = null;
  }
}
