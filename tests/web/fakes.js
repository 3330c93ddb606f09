// Stand-ins for the browser: a clock moved by hand, a WebSocket and a peer connection that keep the rules.

export class FakeClock {
  #now = 1000;
  #timers = new Map();
  #next = 1;

  now = () => this.#now;

  setTimeout = (callback, milliseconds) => {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + milliseconds, callback });
    return id;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  get waiting() {
    return this.#timers.size;
  }

  /** Moves the time on and runs what falls due, in its order. */
  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, { at, callback }] = due;
      this.#timers.delete(id);
      this.#now = at;
      callback();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets all that is promised and waits for nothing else happen. */
export async function settle() {
  for (let round = 0; round < 60; round += 1) await Promise.resolve();
}

export function fakeWebSockets() {
  const sockets = [];
  class FakeWebSocket {
    readyState = 0;
    sent = [];
    closedWith = null;
    constructor(url) {
      this.url = url;
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.readyState = 3;
      this.closedWith = code;
    }
    // What the other end does.
    say(message) {
      this.readyState = 1;
      this.onmessage?.({ data: JSON.stringify(message) });
    }
    end(code) {
      this.readyState = 3;
      this.onclose?.({ code });
    }
  }
  return { FakeWebSocket, sockets };
}

let trackNumber = 0;

export function fakeTrack(kind) {
  trackNumber += 1;
  return { kind, id: `track-${trackNumber}`, enabled: true, contentHint: "" };
}

const REVERSED = { sendrecv: "sendrecv", sendonly: "recvonly", recvonly: "sendonly", inactive: "inactive" };

function direction(send, receive) {
  return send ? (receive ? "sendrecv" : "sendonly") : receive ? "recvonly" : "inactive";
}

function both(a, b) {
  return direction(
    a.startsWith("send") && b.startsWith("send"),
    a.includes("recv") && b.includes("recv"),
  );
}

/** The answer of a media server that takes every line as it is offered. */
export function answerTo(sdp) {
  const lines = JSON.parse(sdp).lines.map((line) => ({ ...line, direction: REVERSED[line.direction] }));
  return JSON.stringify({ lines });
}

class FakeTransceiver {
  #pc;
  #direction;
  mid = null;
  currentDirection = null;
  codecs = null;
  constructor(pc, kind, track, wanted, options = {}) {
    this.#pc = pc;
    this.#direction = wanted;
    this.kind = kind;
    this.sendEncodings = options.sendEncodings ?? [];
    const parameters = { encodings: this.sendEncodings };
    this.sender = {
      track,
      replaceTrack: async (next) => {
        pc.alive();
        this.sender.track = next;
      },
      getParameters: () => ({ ...parameters }),
      setParameters: async (next) => void Object.assign(parameters, next),
    };
    this.receiver = {
      track: fakeTrack(kind),
      stats: new Map(),
      getStats: async () => this.receiver.stats,
      getSynchronizationSources: () => [{ audioLevel: this.receiver.level ?? 0, timestamp: this.receiver.heardAt ?? 0 }],
    };
  }
  get direction() {
    return this.#direction;
  }
  set direction(wanted) {
    this.#direction = wanted;
    this.#pc.checkNegotiation();
  }
  setCodecPreferences(codecs) {
    this.codecs = codecs;
  }
}

export function fakePeerConnections() {
  const connections = [];
  class FakePeerConnection {
    signalingState = "stable";
    connectionState = "new";
    localDescription = null;
    candidates = [];
    restarts = 0;
    channels = [];
    packetsReceived = 0;
    #transceivers = [];
    #remote = null;
    #checking = false;
    // The two descriptions in force, and whether the offer was ours.
    #agreed = { offered: true, local: { lines: [] }, remote: { lines: [] } };

    constructor(config) {
      this.config = config;
      connections.push(this);
    }
    alive() {
      if (this.connectionState === "closed") throw new DOMException("closed", "InvalidStateError");
    }
    getTransceivers() {
      return [...this.#transceivers];
    }
    addTransceiver(trackOrKind, options) {
      this.alive();
      const track = typeof trackOrKind === "string" ? null : trackOrKind;
      const kind = track ? track.kind : trackOrKind;
      const made = new FakeTransceiver(this, kind, track, options?.direction ?? "sendrecv", options);
      this.#transceivers.push(made);
      this.checkNegotiation();
      return made;
    }
    checkNegotiation() {
      if (this.#checking) return;
      this.#checking = true;
      queueMicrotask(() => {
        this.#checking = false;
        if (this.signalingState !== "stable" || this.connectionState === "closed") return;
        if (this.#transceivers.some((transceiver) => this.#isNews(transceiver))) this.onnegotiationneeded?.();
      });
    }
    // W3C WebRTC 1.0, section 4.7.3, step 5.
    #isNews({ mid, direction: wanted }) {
      if (mid === null) return true;
      const [local, remote] = [this.#agreed.local, this.#agreed.remote].map(({ lines }) => lines.find((line) => line.mid === mid));
      if (!local || !remote) return true;
      if (this.#agreed.offered) return local.direction !== wanted && REVERSED[remote.direction] !== wanted;
      return local.direction !== both(wanted, REVERSED[remote.direction]);
    }
    async createOffer() {
      this.alive();
      return { type: "offer", sdp: this.#describe((transceiver) => transceiver.direction) };
    }
    #describe(directionOf) {
      let next = Math.max(-1, ...this.#transceivers.map(({ mid }) => Number(mid ?? -1))) + 1;
      const lines = this.#transceivers.map((transceiver) => ({
        mid: transceiver.mid ?? String(next++),
        kind: transceiver.kind,
        direction: directionOf(transceiver),
      }));
      return JSON.stringify({ lines });
    }
    async setLocalDescription(description) {
      this.alive();
      if (this.signalingState === "have-remote-offer") {
        const lines = this.#remote.lines.map(({ mid, kind, direction: offered }) => {
          const transceiver = this.#byMid(mid);
          transceiver.currentDirection = both(REVERSED[offered], transceiver.direction);
          return { mid, kind, direction: transceiver.currentDirection };
        });
        this.localDescription = { type: "answer", sdp: JSON.stringify({ lines }) };
        this.#agreed = { offered: false, local: { lines }, remote: this.#remote };
        this.#stable();
        return;
      }
      const offer = description ?? (await this.createOffer());
      JSON.parse(offer.sdp).lines.forEach(({ mid }, index) => void (this.#transceivers[index].mid = mid));
      this.localDescription = offer;
      this.signalingState = "have-local-offer";
    }
    async setRemoteDescription({ type, sdp }) {
      this.alive();
      const parsed = JSON.parse(sdp);
      if (type === "offer") {
        if (this.signalingState === "have-local-offer")
          for (const transceiver of this.#transceivers)
            if (transceiver.currentDirection === null) transceiver.mid = null;
        this.#remote = parsed;
        for (const { mid, kind } of parsed.lines) {
          if (this.#byMid(mid)) continue;
          const made = new FakeTransceiver(this, kind, null, "recvonly");
          made.mid = mid;
          this.#transceivers.push(made);
        }
        this.signalingState = "have-remote-offer";
        return;
      }
      if (this.signalingState !== "have-local-offer") throw new DOMException("no offer", "InvalidStateError");
      for (const { mid, direction: answered } of parsed.lines)
        this.#byMid(mid).currentDirection = both(this.#byMid(mid).direction, REVERSED[answered]);
      this.#agreed = { offered: true, local: JSON.parse(this.localDescription.sdp), remote: parsed };
      this.#stable();
    }
    #byMid(wanted) {
      return this.#transceivers.find(({ mid }) => mid === wanted);
    }
    #stable() {
      this.signalingState = "stable";
      this.checkNegotiation();
    }
    async addIceCandidate(candidate) {
      this.candidates.push(candidate);
    }
    restartIce() {
      this.restarts += 1;
    }
    createDataChannel(label, init) {
      const channel = { label, init, readyState: "connecting", bufferedAmount: 0, sent: [] };
      channel.send = (message) => channel.sent.push(message);
      this.channels.push(channel);
      return channel;
    }
    async getStats() {
      return new Map([["T", { type: "transport", packetsReceived: this.packetsReceived }]]);
    }
    close() {
      this.connectionState = "closed";
      this.signalingState = "closed";
    }
    // What the network does.
    become(state) {
      this.connectionState = state;
      this.onconnectionstatechange?.();
    }
  }
  return { FakePeerConnection, connections };
}
