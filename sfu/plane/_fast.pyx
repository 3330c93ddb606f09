# cython: language_level=3, embedsignature=False, binding=True
"""The compiled plane: rows and rules in C (native/), programmed from here. See sfu.plane.interface."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import os

from sfu.bwe.sent import Bandwidth, Probe
from sfu.plane import srtp as sessions
from sfu.plane.interface import AudioLevels, Drop, Punt, PuntKind, Repair, RouteState, SourceState
from sfu.plane.probe import check_probe

cdef extern from "native/drop.h":
    int DROP_COUNT
    const char *drop_name(int reason)

cdef extern from "native/repair.h":
    int REPAIR_COUNT
    const char *repair_name(int repair)

cdef extern from "native/nack.h":
    double MAX_AGE_VIDEO
    double MAX_AGE_AUDIO
    ctypedef struct nack_t:
        double max_age
        bint timed
        double round_trip_time
        uint64_t given_up

cdef extern from "native/history.h":
    ctypedef struct history_limits_t:
        double seconds
        uint64_t max_bytes
        uint64_t used_bytes

cdef extern from "native/address.h":
    ctypedef struct address_t:
        uint16_t port
    bint address_parse(const char *text, uint16_t port, address_t *address)
    void address_format(const address_t *address, char *text)
    ctypedef struct address_table_t:
        size_t count

cdef extern from "native/gcm.h":
    int GCM_SALT
    ctypedef struct evp_t:
        void *(*new_context)() nogil
    ctypedef struct gcm_t:
        pass
    gcm_t *gcm_new(const evp_t *evp, const uint8_t *master_key, size_t key_size, const uint8_t *master_salt)

cdef extern from "native/srtp.h":
    ctypedef int (*srtp_process_t)(void *session, void *packet, int *size)
    ctypedef int (*srtp_remove_stream_t)(void *session, unsigned int ssrc)
    ctypedef struct srtp_t:
        srtp_process_t protect
        srtp_process_t unprotect
        srtp_process_t protect_rtcp
        srtp_process_t unprotect_rtcp
        srtp_remove_stream_t remove_stream
        evp_t evp
    ctypedef struct sending_keys_t:
        void *session
        gcm_t *gcm

cdef extern from "native/rtp.h":
    int MAX_DATAGRAM
    int CODEC_OTHER
    int CODEC_VP8
    int CODEC_VP9
    int CODEC_H264
    int CODEC_AV1

cdef extern from "native/level.h":
    ctypedef struct level_t:
        uint64_t packets
        uint64_t audible
        uint64_t total

cdef extern from "native/reception.h":
    ctypedef struct reception_t:
        int64_t first
        int64_t highest
        uint64_t packets
        uint64_t bytes
        double jitter
        double last_packet

cdef extern from "native/twcc.h":
    ctypedef struct arrivals_t:
        bint pending
    bint arrivals_due(const arrivals_t *arrivals, double now)

cdef extern from "native/sent.h":
    ctypedef struct delay_t:
        int usage
        uint32_t overuses
        double trend
    ctypedef struct probe_state_t:
        uint32_t id
        uint32_t packets_sent
        uint32_t bytes_sent
        double first_sent
        double last_sent
        uint32_t size_last_sent
        uint32_t packets_received
        uint32_t bytes_received
        double first_received
        double last_received
        uint32_t size_first_received
        bint done
    ctypedef struct bandwidth_state_t:
        uint64_t packets_sent
        uint64_t bytes_sent
        uint64_t packets_acknowledged
        uint64_t bytes_acknowledged
        int64_t packets_lost
        uint64_t feedbacks
        double last_feedback
        double last_arrival
        double round_trip_time
        double queue_delay
    ctypedef struct sent_t:
        bandwidth_state_t state
        probe_state_t probe
        delay_t delay

cdef extern from "native/plane.h":
    int64_t NO_ROW
    ctypedef struct pthread_rwlock_t:
        pass
    int pthread_rwlock_wrlock(pthread_rwlock_t *lock) nogil
    int pthread_rwlock_unlock(pthread_rwlock_t *lock) nogil

    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_lock(pthread_mutex_t *lock) nogil
    int pthread_mutex_unlock(pthread_mutex_t *lock) nogil

    ctypedef struct transport_t:
        void *receive
        sending_keys_t send
        size_t address_count
        arrivals_t *arrivals
        sent_t *sent
        pthread_mutex_t sending
        double round_trip_time

    int COUNTED_LAYERS
    ctypedef struct source_t:
        int64_t id
        transport_t *transport
        bint is_video
        uint8_t codecs[128]
        uint8_t transport_wide_id
        uint8_t descriptor_id
        uint8_t marking_id
        uint8_t audio_level_id
        level_t level
        uint64_t layer_bytes[4][4]
        reception_t reception
        uint64_t keyframes
        bint has_rtx
        uint32_t rtx_ssrc
        uint8_t rtx_payload_types[128]
        nack_t *missing
        uint64_t nacks
        uint64_t requested
        uint64_t recovered
        uint64_t rtx_packets
        uint64_t rtx_bytes

    ctypedef struct feed_t:
        source_t *source
        bint await_keyframe
        bint clocked
        uint32_t timestamp_delta
        uint8_t payload_types[128]
        uint8_t extensions[256]

    ctypedef struct gate_t:
        uint8_t spatial_limit
        uint8_t temporal_limit
        uint8_t spatial
        uint8_t temporal

    ctypedef struct route_t:
        feed_t feed
        feed_t next
        gate_t gate
        uint8_t mid_id
        uint8_t mid_size
        uint8_t mid[255]
        uint8_t transport_wide_id
        uint8_t abs_send_time_id
        bint paused
        bint awaiting_keyframe
        bint anchored
        bint sent
        double first_sent
        uint32_t timestamp_offset
        uint32_t last_timestamp
        int64_t highest
        uint64_t offered
        uint64_t packets
        uint64_t bytes
        uint64_t payload_bytes
        uint64_t drops[64]
        bint has_rtx
        uint32_t rtx_ssrc
        int64_t rtx_sequence
        uint64_t nacks
        uint64_t retransmitted
        uint64_t retransmitted_bytes
        uint64_t missed
        uint64_t throttled
        uint64_t padding
        uint64_t padding_bytes

    ctypedef enum punt_kind_t:
        PUNT_STUN
        PUNT_DTLS
        PUNT_RTCP
        PUNT_UNKNOWN_SSRC
        PUNT_KEYFRAME
        PUNT_REPAIR_FAILED

    ctypedef struct punt_t:
        punt_t *next
        punt_kind_t kind
        bint has_address
        address_t address
        int64_t transport
        int64_t source
        size_t size
        uint8_t data[1]

    ctypedef struct kept_t:
        kept_t *next
        address_t address
        size_t size
        uint8_t data[1]

    ctypedef struct lane_t:
        uint64_t drops[64]
        uint64_t repairs[16]

    ctypedef struct plane_t:
        srtp_t srtp
        pthread_rwlock_t lock
        address_table_t addresses
        history_limits_t limits
        bint pad
        lane_t control

    bint plane_init(plane_t *plane, const srtp_t *srtp, uint64_t seed)
    void plane_free(plane_t *plane)
    transport_t *transport_new(int64_t id, uint32_t ssrc)
    bint transport_note_arrivals(transport_t *transport)
    bint transport_note_sent(transport_t *transport)
    void transport_free(transport_t *transport)
    bint plane_bind(plane_t *plane, transport_t *transport, const address_t *address)
    void plane_unbind(plane_t *plane, transport_t *transport, const address_t *address)
    void plane_release_addresses(plane_t *plane, transport_t *transport)
    source_t *source_new(transport_t *transport, int64_t id, uint32_t ssrc, uint32_t clock_rate)
    void plane_remove_source(plane_t *plane, source_t *source)
    route_t *route_new(transport_t *transport, uint32_t ssrc, uint32_t clock_rate, uint16_t first_sequence)
    bint route_feed(route_t *route, const feed_t *feed)
    bint route_switch(route_t *route, const feed_t *feed)
    void source_set_rtx(plane_t *plane, source_t *source, uint32_t ssrc)
    void source_hold(source_t *source, bint held)
    void feed_repair(feed_t *feed, const route_t *route, bint nack, const uint8_t *rtx_payload_types)
    void route_pause(route_t *route, bint paused)
    void route_free(route_t *route)
    void lane_receive(lane_t *lane, uint8_t *data, size_t size, const address_t *address, double now) nogil
    void lane_forward(lane_t *lane, double now) nogil
    void lane_tick(lane_t *lane, transport_t *transport, double now) nogil
    void lane_flush(lane_t *lane) nogil
    bint lane_replay(lane_t *lane, transport_t *transport, uint8_t *data, size_t size, double now) nogil
    void lane_ask(lane_t *lane, double now) nogil
    void lane_probe(lane_t *lane, double now) nogil
    bint plane_probes(plane_t *plane)
    bint lane_begin_probe(
        lane_t *lane, transport_t *transport, uint32_t id, double bitrate, double duration, double now) nogil
    void plane_end_probe(plane_t *plane, transport_t *transport)
    void lane_send_rtcp(lane_t *lane, transport_t *transport, const uint8_t *data, size_t size) nogil
    void lane_send(lane_t *lane, const uint8_t *data, size_t size, const address_t *address) nogil
    punt_t *plane_take_punts(plane_t *plane)
    kept_t *plane_take_kept(plane_t *plane)

cdef extern from "native/port.h":
    int AF_INET6
    int MAX_THREADS
    int MAX_INJECTED
    int BATCH_SIZES
    ctypedef struct port_counters_t:
        uint64_t batches
        uint64_t received
        uint64_t sent
        uint64_t send_calls
        uint64_t segmented
        uint64_t refused
        uint64_t busy_ns
        uint64_t sizes[7]
    ctypedef struct port_thread_t:
        lane_t lane
        port_counters_t counters
    ctypedef struct port_t:
        int family
        uint16_t number
        int wake
        bint segment
        size_t thread_count
        port_thread_t *threads[64]
        int injected[64]
        size_t injected_count
        size_t injected_at
    int port_open(port_t *port, plane_t *plane, const char *host, uint16_t number, size_t threads, bint segment)
    void port_close(port_t *port) nogil
    void port_rouse(port_t *port)


_DROPS = tuple(Drop(drop_name(reason).decode()) for reason in range(DROP_COUNT))
_CODECS = {"VP8": CODEC_VP8, "VP9": CODEC_VP9, "H264": CODEC_H264, "AV1": CODEC_AV1}
_PUNTS = {
    PUNT_STUN: PuntKind.STUN,
    PUNT_DTLS: PuntKind.DTLS,
    PUNT_RTCP: PuntKind.RTCP,
    PUNT_UNKNOWN_SSRC: PuntKind.UNKNOWN_SSRC,
    PUNT_KEYFRAME: PuntKind.KEYFRAME,
    PUNT_REPAIR_FAILED: PuntKind.REPAIR_FAILED,
}
_REPAIRS = tuple(Repair(repair_name(repair).decode()) for repair in range(REPAIR_COUNT))
# Seconds that are believed of a measured round trip.
_MIN_ROUND_TRIP_TIME, _MAX_ROUND_TRIP_TIME = 0.005, 2.0


# As evp_t has them.
_EVP = (
    "EVP_CIPHER_CTX_new",
    "EVP_CIPHER_CTX_free",
    "EVP_EncryptInit_ex",
    "EVP_EncryptUpdate",
    "EVP_EncryptFinal_ex",
    "EVP_CIPHER_CTX_ctrl",
    "EVP_aes_128_gcm",
    "EVP_aes_256_gcm",
    "EVP_aes_128_ecb",
    "EVP_aes_256_ecb",
)


cdef void _read_evp(dict functions, evp_t *evp):
    cdef uintptr_t pointers[10]
    memset(pointers, 0, sizeof(pointers))
    if all(functions.get(name) for name in _EVP):
        for at, name in enumerate(_EVP):
            pointers[at] = functions[name]
    memcpy(evp, pointers, sizeof(pointers))


cdef int _read_address(object address, address_t *out) except -1:
    host, port = address
    encoded = host.encode()
    if not address_parse(encoded, port, out):
        raise ValueError(f"address {host!r} is no IP address")
    return 0


cdef uint8_t _own_id(object identifier) except? 0:
    if not 0 <= identifier <= 255:
        raise ValueError(f"header extension id is {identifier}, it should be 0 to 255")
    return identifier


cdef object _address(const address_t *address):
    cdef char text[64]
    address_format(address, text)
    return text.decode(), address.port


cdef object _source_state(const source_t *source):
    cdef const reception_t *reception = &source.reception
    cdef const nack_t *missing = source.missing
    cdef int spatial, temporal
    return SourceState(
        packets=reception.packets,
        bytes=reception.bytes,
        first_sequence_number=reception.first,
        highest_sequence_number=reception.highest,
        jitter=reception.jitter,
        keyframes=source.keyframes,
        last_packet=reception.last_packet,
        layer_bytes={
            (spatial, temporal): source.layer_bytes[spatial][temporal]
            for spatial in range(COUNTED_LAYERS)
            for temporal in range(COUNTED_LAYERS)
            if source.layer_bytes[spatial][temporal]
        },
        nacks=source.nacks,
        requested=source.requested,
        recovered=source.recovered,
        given_up=missing.given_up if missing != NULL else 0,
        rtx_packets=source.rtx_packets,
        rtx_bytes=source.rtx_bytes,
        round_trip_time=missing.round_trip_time if missing != NULL and missing.timed else None,
    )


cdef object _route_state(const route_t *state):
    return RouteState(
        offered=state.offered,
        packets=state.packets,
        bytes=state.bytes,
        payload_bytes=state.payload_bytes,
        drops={reason: state.drops[at] for at, reason in enumerate(_DROPS) if state.drops[at]},
        timestamp_offset=state.timestamp_offset if state.anchored else None,
        awaiting_keyframe=state.awaiting_keyframe,
        last_sequence_number=state.highest & 0xFFFF if state.sent else None,
        last_timestamp=state.last_timestamp if state.sent else None,
        first_packet=state.first_sent,
        source=state.feed.source.id if state.feed.source != NULL else None,
        next_source=state.next.source.id if state.next.source != NULL else None,
        spatial_layer=state.gate.spatial,
        temporal_layer=state.gate.temporal,
        nacks=state.nacks,
        retransmitted=state.retransmitted,
        retransmitted_bytes=state.retransmitted_bytes,
        retransmissions_missed=state.missed,
        retransmissions_throttled=state.throttled,
        padding=state.padding,
        padding_bytes=state.padding_bytes,
    )


cdef class _Transport:
    """A row, its table of rows by SSRC, and the sessions that its pointers are of."""

    cdef transport_t *row
    cdef object receive
    cdef object send
    cdef set sources
    cdef set routes
    cdef set used_ssrcs
    cdef dict ssrcs  # of media and of RTX, to their source


cdef int _check_rtx(_Transport transport, object identifier, object ssrc, object media_ssrc) except -1:
    if ssrc in transport.ssrcs or ssrc == media_ssrc:
        raise ValueError(f"transport {identifier} has a source of SSRC {ssrc} already")
    return 0


cdef int _read_payload_types(object mapping, uint8_t *out) except -1:
    """Payload type to payload type; 0xFF for none."""
    memset(out, 0xFF, 128)
    for payload_type, mapped in mapping.items():
        for value in (payload_type, mapped):
            if not 0 <= value <= 127:
                raise ValueError(f"payload type is {value}, it should be 0 to 127")
        out[<int>payload_type] = mapped
    return 0


cdef class _Source:
    cdef source_t *row
    cdef object spec


cdef class _Route:
    cdef route_t *row
    cdef object spec
    cdef object source


# Threads use the sessions that the rows name, so the collector must not clear rows before this is gone: it is to
# see references from outside. Nothing in the rows leads back here.
@cython.no_gc
cdef class FastPlane:
    """Implements sfu.plane.interface.Plane.

    Without `open_port` it works in memory, on the caller's thread. With it threads of its own forward what comes
    in on the media port, and `wake_descriptor` becomes readable when there are punts to take. It is programmed from
    one Python thread at a time. A forked child of a process that has the port open can close it and nothing else.
    """

    cdef plane_t plane
    cdef port_t *port
    cdef bint ready
    cdef dict transports
    cdef dict sources
    cdef dict routes
    cdef dict counted

    def __cinit__(self):
        cdef srtp_t srtp
        self.port = NULL
        self.ready = False
        self.transports = {}
        self.sources = {}
        self.routes = {}
        self.counted = {}
        functions = sessions.functions()
        srtp.protect = <srtp_process_t><uintptr_t>functions["srtp_protect"]
        srtp.unprotect = <srtp_process_t><uintptr_t>functions["srtp_unprotect"]
        srtp.protect_rtcp = <srtp_process_t><uintptr_t>functions["srtp_protect_rtcp"]
        srtp.unprotect_rtcp = <srtp_process_t><uintptr_t>functions["srtp_unprotect_rtcp"]
        srtp.remove_stream = <srtp_remove_stream_t><uintptr_t>functions["srtp_remove_stream"]
        _read_evp(functions, &srtp.evp)
        if not plane_init(&self.plane, &srtp, int.from_bytes(os.urandom(8), "little")):
            raise MemoryError
        self.ready = True

    def __dealloc__(self):
        if not self.ready:
            return
        # Threads first: they read the rows.
        self._close_port()
        cdef _Route route
        cdef _Source source
        cdef _Transport transport
        for route in self.routes.values():
            route_free(route.row)
        for source in self.sources.values():
            plane_remove_source(&self.plane, source.row)
        for transport in self.transports.values():
            plane_release_addresses(&self.plane, transport.row)
            transport_free(transport.row)
        plane_free(&self.plane)

    cdef inline void _lock(self) noexcept:
        # Lanes never wait for Python, so this is as short as one batch.
        with nogil:
            pthread_rwlock_wrlock(&self.plane.lock)

    cdef inline void _unlock(self) noexcept:
        pthread_rwlock_unlock(&self.plane.lock)

    # Rows

    def open_transport(self, transport, ssrc=0):
        if transport in self.transports:
            raise ValueError(f"transport {transport} is open already")
        cdef _Transport row = _Transport()
        row.row = transport_new(transport, ssrc)
        if row.row == NULL:
            raise MemoryError
        row.sources, row.routes, row.used_ssrcs, row.ssrcs = set(), set(), set(), {}
        self.transports[transport] = row

    def bind(self, transport, address):
        cdef _Transport row = self._transport(transport)
        cdef address_t where
        _read_address(address, &where)
        self._lock()
        done = plane_bind(&self.plane, row.row, &where)
        self._unlock()
        if not done:
            raise MemoryError

    def unbind(self, transport, address):
        cdef _Transport row = self._transport(transport)
        cdef address_t where
        _read_address(address, &where)
        self._lock()
        plane_unbind(&self.plane, row.row, &where)
        self._unlock()

    def set_keys(self, transport, keys):
        cdef _Transport row = self._transport(transport)
        if row.receive is not None:
            raise ValueError(f"transport {transport} has its keys already")
        receive, send = sessions.receive_session(keys), sessions.send_session(keys)
        cdef uintptr_t receiving = sessions.pointer(receive)
        cdef uintptr_t sending = sessions.pointer(send)
        cdef gcm_t *gcm = self._gcm(keys)
        row.receive, row.send = receive, send
        self._lock()
        row.row.receive = <void *>receiving
        row.row.send.gcm = gcm
        row.row.send.session = <void *>sending
        self._unlock()

    cdef gcm_t *_gcm(self, keys) except? NULL:
        # NULL: libsrtp protects.
        cdef const uint8_t[::1] material = keys.send
        cdef size_t key_size = keys.profile.key_length
        if keys.profile.salt_length != GCM_SALT or self.plane.srtp.evp.new_context == NULL:
            return NULL
        cdef gcm_t *gcm = gcm_new(&self.plane.srtp.evp, &material[0], key_size, &material[key_size])
        if gcm == NULL:
            raise MemoryError
        return gcm

    def set_round_trip_time(self, transport, seconds):
        cdef _Transport row = self._transport(transport)
        cdef double value = min(max(seconds, _MIN_ROUND_TRIP_TIME), _MAX_ROUND_TRIP_TIME)
        self._lock()
        row.row.round_trip_time = value
        self._unlock()

    def limit_history(self, seconds, max_bytes):
        if not seconds > 0 or max_bytes < 0:
            raise ValueError(
                f"history of {seconds} seconds and {max_bytes} bytes: neither may be below 0, nor the time 0"
            )
        cdef double time = seconds
        cdef uint64_t size = max_bytes
        self._lock()
        self.plane.limits.seconds = time
        self.plane.limits.max_bytes = size
        self._unlock()

    def close_transport(self, transport):
        cdef _Transport row = self._transport(transport)
        for route in tuple(row.routes):
            self.remove_route(route)
        for source in tuple(row.sources):
            self.remove_source(source)
        self._lock()
        plane_release_addresses(&self.plane, row.row)
        plane_end_probe(&self.plane, row.row)
        self._unlock()
        # Nothing leads to the row any more, and no lane is in a batch that did.
        del self.transports[transport]
        transport_free(row.row)
        row.row = NULL

    def add_source(self, row):
        cdef _Transport transport = self._transport(row.transport)
        if row.id in self.sources:
            raise ValueError(f"source {row.id} exists already")
        if row.ssrc in transport.ssrcs:
            raise ValueError(f"transport {row.transport} has a source of SSRC {row.ssrc} already")
        if row.rtx_ssrc is not None:
            _check_rtx(transport, row.transport, row.rtx_ssrc, row.ssrc)
        cdef _Source source = _Source()
        cdef uint8_t codecs[128]
        cdef uint8_t repeats[128]
        memset(codecs, 0, sizeof(codecs))
        _read_payload_types(row.rtx_payload_types, repeats)
        for payload_type, codec in row.codecs.items():
            if not 0 <= payload_type <= 127:
                raise ValueError(f"payload type is {payload_type}, it should be 0 to 127")
            codecs[payload_type] = _CODECS.get(codec.upper(), CODEC_OTHER) if row.is_video else CODEC_OTHER
        # Converted here: what raises under the lock would leave it locked.
        cdef int64_t identifier = row.id
        cdef uint32_t ssrc = row.ssrc
        cdef uint32_t clock_rate = row.clock_rate
        cdef bint is_video = row.is_video
        cdef uint8_t transport_wide_id = _own_id(row.transport_wide_extension)
        cdef uint8_t descriptor_id = row.dependency_descriptor
        cdef uint8_t marking_id = row.frame_marking
        cdef uint8_t audio_level_id = row.audio_level
        cdef bint has_rtx = row.rtx_ssrc is not None
        cdef uint32_t rtx_ssrc = row.rtx_ssrc if has_rtx else 0
        cdef nack_t *missing = NULL
        if row.nack:
            missing = <nack_t *>calloc(1, sizeof(nack_t))
            if missing == NULL:
                raise MemoryError
            missing.max_age = MAX_AGE_VIDEO if is_video else MAX_AGE_AUDIO
        self._lock()
        source.row = NULL
        if not transport_wide_id or transport_note_arrivals(transport.row):
            source.row = source_new(transport.row, identifier, ssrc, clock_rate)
        if source.row != NULL:
            source.row.transport_wide_id = transport_wide_id
            source.row.is_video = is_video
            source.row.descriptor_id = descriptor_id
            source.row.marking_id = marking_id
            source.row.audio_level_id = audio_level_id
            memcpy(source.row.codecs, codecs, sizeof(codecs))
            source.row.missing = missing
            memcpy(source.row.rtx_payload_types, repeats, sizeof(repeats))
            if has_rtx:
                source_set_rtx(&self.plane, source.row, rtx_ssrc)
        self._unlock()
        if source.row == NULL:
            free(missing)
            raise MemoryError
        source.spec = row
        self.sources[row.id] = source
        transport.sources.add(row.id)
        transport.ssrcs[row.ssrc] = row.id
        if has_rtx:
            transport.ssrcs[row.rtx_ssrc] = row.id

    def set_rtx(self, source, ssrc):
        cdef _Source row = self._source(source)
        cdef _Transport transport = self._transport(row.spec.transport)
        if row.row.has_rtx and row.row.rtx_ssrc == ssrc:
            return
        _check_rtx(transport, row.spec.transport, ssrc, row.spec.ssrc)
        cdef uint32_t value = ssrc
        if row.row.has_rtx:
            del transport.ssrcs[row.row.rtx_ssrc]
        transport.ssrcs[ssrc] = source
        self._lock()
        source_set_rtx(&self.plane, row.row, value)
        self._unlock()

    def remove_source(self, source):
        cdef _Source row = self._source(source)
        cdef _Transport transport = self._transport(row.spec.transport)
        self._lock()
        plane_remove_source(&self.plane, row.row)
        self._unlock()
        row.row = NULL
        del self.sources[source]
        transport.sources.discard(source)
        for ssrc in [ssrc for ssrc, owner in transport.ssrcs.items() if owner == source]:
            del transport.ssrcs[ssrc]

    def hold_source(self, source, held):
        cdef _Source row = self._source(source)
        cdef bint value = held
        self._lock()
        source_hold(row.row, value)
        self._unlock()

    def add_route(self, row):
        cdef _Transport transport = self._transport(row.transport)
        if row.id in self.routes:
            raise ValueError(f"route {row.id} exists already")
        if row.ssrc in transport.used_ssrcs:
            raise ValueError(
                f"SSRC {row.ssrc} was sent on transport {row.transport} before: a new route needs a new one"
            )
        if row.rtx_ssrc is not None and (row.rtx_ssrc in transport.used_ssrcs or row.rtx_ssrc == row.ssrc):
            raise ValueError(
                f"SSRC {row.rtx_ssrc} of RTX was sent on transport {row.transport} before: "
                "a new route needs a new one"
            )
        for number in (row.first_sequence_number, row.first_rtx_sequence_number):
            if not 0 <= number < 1 << 15:
                raise ValueError(f"first sequence number is {number}, it should be below 32768")
        mid = row.mid.encode()
        if row.mid_extension and not (0 < row.mid_extension < 256 and 0 < len(mid) < 256):
            raise ValueError(
                f"mid {row.mid!r} has extension id {row.mid_extension}: ids and sizes are 1 to 255"
            )
        cdef _Route route = _Route()
        cdef const char *text = mid
        cdef uint8_t transport_wide_id = _own_id(row.transport_wide_extension)
        cdef uint8_t abs_send_time_id = _own_id(row.abs_send_time_extension)
        if transport_wide_id and not transport_note_sent(transport.row):
            raise MemoryError
        cdef uint32_t ssrc = row.ssrc
        cdef uint32_t clock_rate = row.clock_rate
        cdef uint16_t first = row.first_sequence_number
        self._lock()
        route.row = route_new(transport.row, ssrc, clock_rate, first)
        self._unlock()
        if route.row == NULL:
            raise MemoryError
        route.row.transport_wide_id = transport_wide_id
        route.row.abs_send_time_id = abs_send_time_id
        if row.rtx_ssrc is not None:
            # Nothing is sent before it is fed.
            route.row.has_rtx = True
            route.row.rtx_ssrc = row.rtx_ssrc
            route.row.rtx_sequence = row.first_rtx_sequence_number
        if row.mid_extension:
            route.row.mid_id = row.mid_extension
            route.row.mid_size = len(mid)
            memcpy(route.row.mid, text, len(mid))
        route.spec = row
        self.routes[row.id] = route
        transport.routes.add(row.id)
        transport.used_ssrcs.add(row.ssrc)
        if row.rtx_ssrc is not None:
            transport.used_ssrcs.add(row.rtx_ssrc)

    def remove_route(self, route):
        cdef _Route row = self._route(route)
        cdef _Transport transport = self._transport(row.spec.transport)
        self._lock()
        route_free(row.row)
        self._unlock()
        row.row = NULL
        del self.routes[route]
        transport.routes.discard(route)

    cdef _Source _read_feed(self, _Route route, object feed, feed_t *out):
        """Convert a feed; its source, None for none."""
        cdef _Source source = None
        cdef uint8_t repeats[128]
        memset(out, 0, sizeof(feed_t))
        memset(out.payload_types, 0xFF, sizeof(out.payload_types))
        if feed is None:
            return None
        source = self._source(feed.source)
        for payload_type in (*feed.payload_types, *feed.payload_types.values()):
            if not 0 <= payload_type <= 127:
                raise ValueError(f"payload type is {payload_type}, it should be 0 to 127")
        _read_payload_types(feed.rtx_payload_types, repeats)
        for identifier in (*feed.extensions, *feed.extensions.values()):
            if not 1 <= identifier <= 255:
                raise ValueError(f"header extension id is {identifier}, it should be 1 to 255")
        for payload_type, mapped in feed.payload_types.items():
            if payload_type in source.spec.codecs:
                out.payload_types[payload_type] = mapped
        for identifier, mapped in feed.extensions.items():
            out.extensions[identifier] = mapped
        out.source = source.row
        out.await_keyframe = feed.await_keyframe
        out.clocked = feed.timestamp_delta is not None
        if out.clocked:
            out.timestamp_delta = feed.timestamp_delta & 0xFFFFFFFF
        feed_repair(out, route.row, feed.nack, repeats)
        return source

    def feed_route(self, route, feed):
        cdef _Route row = self._route(route)
        cdef feed_t fed
        self._read_feed(row, feed, &fed)
        self._lock()
        done = route_feed(row.row, &fed)
        self._unlock()
        if not done:
            raise MemoryError

    def switch_route(self, route, feed):
        cdef _Route row = self._route(route)
        cdef feed_t fed
        cdef _Source source = self._source(feed.source)
        cdef source_t *current
        self._lock()
        # What feeds it changes under the lock only where both are of one transport.
        current = row.row.feed.source
        self._unlock()
        if current != NULL and current.transport != source.row.transport:
            owner = self._source(current.id).spec.transport
            raise ValueError(
                f"source {feed.source} is of transport {source.spec.transport}, and source "
                f"{current.id} of {owner}: a route switches between sources of one"
            )
        self._read_feed(row, feed, &fed)
        self._lock()
        done = route_switch(row.row, &fed)
        self._unlock()
        if not done:
            raise MemoryError

    def limit_route(self, route, spatial, temporal):
        cdef _Route row = self._route(route)
        for name, layer in (("spatial", spatial), ("temporal", temporal)):
            if not 0 <= layer <= 255:
                raise ValueError(f"{name} layer is {layer}, it should be 0 to 255")
        cdef uint8_t spatial_limit = spatial
        cdef uint8_t temporal_limit = temporal
        self._lock()
        row.row.gate.spatial_limit = spatial_limit
        row.row.gate.temporal_limit = temporal_limit
        self._unlock()

    def pause_route(self, route, paused):
        cdef _Route row = self._route(route)
        cdef bint value = paused
        self._lock()
        route_pause(row.row, value)
        self._unlock()

    # Packets

    def receive(self, const uint8_t[::1] datagram not None, address, double now):
        cdef address_t where
        _read_address(address, &where)
        cdef size_t size = datagram.shape[0]
        # Unprotected in place: in a copy of this call's own.
        cdef uint8_t *data = <uint8_t *>malloc(size + 1)
        if data == NULL:
            raise MemoryError
        if size:
            memcpy(data, &datagram[0], size)
        with nogil:
            pthread_rwlock_wrlock(&self.plane.lock)
            lane_receive(&self.plane.control, data, size, &where, now)
            lane_forward(&self.plane.control, now)
            pthread_rwlock_unlock(&self.plane.lock)
        free(data)

    def tick(self, double now):
        cdef _Transport row
        # Without the lock: who is missed now is told by the next packet or tick.
        due = [
            row for row in self.transports.values()
            if row.row.arrivals != NULL and arrivals_due(row.row.arrivals, now)
        ]
        self._lock()
        for row in due:
            lane_tick(&self.plane.control, row.row, now)
        lane_ask(&self.plane.control, now)
        if plane_probes(&self.plane):
            lane_probe(&self.plane.control, now)
        lane_flush(&self.plane.control)
        self._unlock()

    def bandwidth(self, transport):
        cdef _Transport row = self._transport(transport)
        if row.row.sent == NULL:
            return None
        cdef bandwidth_state_t state
        cdef probe_state_t probe
        cdef delay_t delay
        pthread_mutex_lock(&row.row.sending)
        state = row.row.sent.state
        probe = row.row.sent.probe
        delay = row.row.sent.delay
        pthread_mutex_unlock(&row.row.sending)
        return Bandwidth(
            packets_sent=state.packets_sent,
            bytes_sent=state.bytes_sent,
            packets_acknowledged=state.packets_acknowledged,
            bytes_acknowledged=state.bytes_acknowledged,
            packets_lost=state.packets_lost,
            feedbacks=state.feedbacks,
            last_feedback=state.last_feedback,
            last_arrival=state.last_arrival,
            round_trip_time=state.round_trip_time,
            queue_delay=state.queue_delay,
            overuses=delay.overuses,
            usage=delay.usage,
            trend=delay.trend,
            probe=Probe(
                id=probe.id,
                packets_sent=probe.packets_sent,
                bytes_sent=probe.bytes_sent,
                first_sent=probe.first_sent,
                last_sent=probe.last_sent,
                size_last_sent=probe.size_last_sent,
                packets_received=probe.packets_received,
                bytes_received=probe.bytes_received,
                first_received=probe.first_received,
                last_received=probe.last_received,
                size_first_received=probe.size_first_received,
                done=probe.done,
            ),
        )

    def probe(self, transport, probe, bitrate, duration, double now):
        cdef _Transport row = self._transport(transport)
        check_probe(probe, bitrate, duration)
        cdef uint32_t identifier = probe
        cdef double rate = bitrate
        cdef double seconds = duration
        cdef bint begun
        self._lock()
        begun = lane_begin_probe(&self.plane.control, row.row, identifier, rate, seconds, now)
        self._unlock()
        if begun and self.port != NULL:
            port_rouse(self.port)
        return begun

    def replay(self, transport, const uint8_t[::1] packet not None, double now):
        cdef _Transport row = self._transport(transport)
        cdef size_t size = packet.shape[0]
        cdef bint known
        # RTX is unwrapped in place: in a copy of this call's own.
        cdef uint8_t *data = <uint8_t *>malloc(size + 1)
        if data == NULL:
            raise MemoryError
        if size:
            memcpy(data, &packet[0], size)
        with nogil:
            pthread_rwlock_wrlock(&self.plane.lock)
            known = lane_replay(&self.plane.control, row.row, data, size, now)
            pthread_rwlock_unlock(&self.plane.lock)
        free(data)
        if not known:
            self.drop(Drop.UNKNOWN_SSRC)

    def send_rtcp(self, transport, const uint8_t[::1] packet not None):
        cdef _Transport row = self._transport(transport)
        cdef size_t size = packet.shape[0]
        if size < 8:
            raise ValueError(f"RTCP packet has {size} bytes, it takes at least 8")
        with nogil:
            pthread_rwlock_wrlock(&self.plane.lock)
            lane_send_rtcp(&self.plane.control, row.row, &packet[0], size)
            pthread_rwlock_unlock(&self.plane.lock)

    def send(self, const uint8_t[::1] data not None, address):
        cdef address_t where
        _read_address(address, &where)
        cdef size_t size = data.shape[0]
        if not size:
            return
        with nogil:
            pthread_rwlock_wrlock(&self.plane.lock)
            lane_send(&self.plane.control, &data[0], size, &where)
            pthread_rwlock_unlock(&self.plane.lock)

    def drop(self, reason, count=1):
        self.counted[reason] = self.counted.get(reason, 0) + count

    def take_datagrams(self):
        cdef kept_t *kept = plane_take_kept(&self.plane)
        cdef kept_t *rest
        taken = []
        while kept != NULL:
            taken.append((PyBytes_FromStringAndSize(<char *>kept.data, kept.size), _address(&kept.address)))
            rest = kept.next
            free(kept)
            kept = rest
        return taken

    def take_punts(self):
        cdef punt_t *punt = plane_take_punts(&self.plane)
        cdef punt_t *rest
        taken = []
        while punt != NULL:
            taken.append(
                Punt(
                    _PUNTS[punt.kind],
                    PyBytes_FromStringAndSize(<char *>punt.data, punt.size),
                    _address(&punt.address) if punt.has_address else None,
                    punt.transport if punt.transport != NO_ROW else None,
                    punt.source if punt.source != NO_ROW else None,
                )
            )
            rest = punt.next
            free(punt)
            punt = rest
        return taken

    # Counters

    def source_state(self, source):
        cdef _Source row = self._source(source)
        cdef source_t state
        self._lock()
        state = row.row[0]
        self._unlock()
        return _source_state(&state)

    def route_state(self, route):
        cdef _Route row = self._route(route)
        cdef route_t state
        self._lock()
        state = row.row[0]
        self._unlock()
        return _route_state(&state)

    def sample(self, sources, routes):
        # Without the lock, which would wait for a batch and hold up the next one: rows are freed by this side alone.
        return [self._sample_source(source) for source in sources], [self._sample_route(route) for route in routes]

    cdef object _sample_source(self, object source):
        cdef source_t *row = self._source(source).row
        return _source_state(row)

    cdef object _sample_route(self, object route):
        return _route_state(self._route(route).row)

    def audio_levels(self, sources):
        # Without the lock, as `sample`.
        return [self._audio_levels(source) for source in sources]

    cdef object _audio_levels(self, object source):
        cdef const level_t *level = &self._source(source).row.level
        return AudioLevels(level.packets, level.audible, level.total)

    def drops(self):
        cdef uint64_t counts[64]
        cdef size_t thread
        cdef int at
        self._lock()
        for at in range(DROP_COUNT):
            counts[at] = self.plane.control.drops[at]
            if self.port != NULL:
                for thread in range(self.port.thread_count):
                    counts[at] += self.port.threads[thread].lane.drops[at]
        self._unlock()
        totals = dict(self.counted)
        for at, reason in enumerate(_DROPS):
            if counts[at]:
                totals[reason] = totals.get(reason, 0) + counts[at]
        return totals

    def repairs(self):
        cdef uint64_t counts[16]
        cdef size_t thread
        cdef int at
        self._lock()
        for at in range(REPAIR_COUNT):
            counts[at] = self.plane.control.repairs[at]
            if self.port != NULL:
                for thread in range(self.port.thread_count):
                    counts[at] += self.port.threads[thread].lane.repairs[at]
        self._unlock()
        return {repair: counts[at] for at, repair in enumerate(_REPAIRS)}

    def sizes(self):
        return {
            "transports": len(self.transports),
            "addresses": self.plane.addresses.count,
            "sources": len(self.sources),
            "routes": len(self.routes),
        }

    def history_bytes(self):
        return self.plane.limits.used_bytes

    # The media port

    def open_port(self, host, port, threads=1, segment=True, pad=None):
        """Take over the media port: `threads` threads receive, forward and send from now on.

        `port` 0 takes a free one. `segment`: send runs with UDP_SEGMENT; `pad` (as `segment` by default) adds a
        byte of padding where it makes longer runs. Raises OSError where the port cannot be had.
        """
        if self.port != NULL:
            raise ValueError("the plane has its port already")
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads is {threads}, it should be 1 to {MAX_THREADS}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port is {port}, it should be 0 to 65535")
        encoded = host.encode()
        cdef const char *name = encoded
        cdef uint16_t number = port
        cdef size_t count = threads
        cdef bint segments = segment
        cdef bint pads = segment if pad is None else pad
        cdef port_t *opened = <port_t *>calloc(1, sizeof(port_t))
        if opened == NULL:
            raise MemoryError
        self.plane.pad = pads
        error = port_open(opened, &self.plane, name, number, count, segments)
        if error:
            free(opened)
            raise OSError(error, os.strerror(error), f"{host or '*'}:{port}")
        self.port = opened

    def close_port(self):
        """End the threads and free the port. What is sent from now on is kept for `take_datagrams`. Idempotent."""
        self._close_port()

    cdef void _close_port(self) noexcept:
        cdef port_t *port = self.port
        if port == NULL:
            return
        self.port = NULL
        with nogil:
            port_close(port)
        free(port)

    @property
    def port_number(self):
        return self.port.number if self.port != NULL else None

    @property
    def wake_descriptor(self):
        """A file descriptor that is readable when punts wait; read it empty before taking them."""
        return self.port.wake if self.port != NULL else None

    @property
    def ipv6(self):
        return self.port != NULL and self.port.family == AF_INET6

    def port_counters(self):
        """What the threads have done, summed: see port_counters in native/port.h."""
        cdef size_t thread
        cdef port_counters_t total
        cdef port_counters_t *counters
        cdef int at
        memset(&total, 0, sizeof(total))
        # Without the lock, as in `sample`.
        if self.port != NULL:
            for thread in range(self.port.thread_count):
                counters = &self.port.threads[thread].counters
                total.batches += counters.batches
                total.received += counters.received
                total.sent += counters.sent
                total.send_calls += counters.send_calls
                total.segmented += counters.segmented
                total.refused += counters.refused
                total.busy_ns += counters.busy_ns
                for at in range(BATCH_SIZES):
                    total.sizes[at] += counters.sizes[at]
        return {
            "batches": total.batches,
            "received": total.received,
            "sent": total.sent,
            "send_calls": total.send_calls,
            "segmented": total.segmented,
            "refused": total.refused,
            "busy_ns": total.busy_ns,
            **{f"batches_{1 << at}": total.sizes[at] for at in range(BATCH_SIZES)},
        }

    def inject_send_results(self, results):
        """For tests: what the next sends come to. n >= 0 sends n messages, -errno fails."""
        if self.port == NULL or len(results) > MAX_INJECTED:
            raise ValueError(f"needs an open port and at most {MAX_INJECTED} results")
        cdef int injected[64]
        cdef size_t count = len(results)
        for at, result in enumerate(results):
            injected[at] = result
        self._lock()
        memcpy(self.port.injected, injected, count * sizeof(int))
        self.port.injected_count = count
        self.port.injected_at = 0
        self._unlock()

    cdef _Transport _transport(self, transport):
        try:
            return self.transports[transport]
        except KeyError:
            raise KeyError(f"there is no transport {transport}") from None

    cdef _Source _source(self, source):
        try:
            return self.sources[source]
        except KeyError:
            raise KeyError(f"there is no source {source}") from None

    cdef _Route _route(self, route):
        try:
            return self.routes[route]
        except KeyError:
            raise KeyError(f"there is no route {route}") from None
