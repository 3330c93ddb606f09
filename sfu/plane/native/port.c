#include "port.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A burst of many publishers' frames has to fit while the thread is busy elsewhere. */
#define SOCKET_BUFFER (4 << 20)
/* What one call may carry in a run: the kernel's limit of segments (UDP_MAX_SEGMENTS), and of a datagram. */
#define MAX_SEGMENTS 64
#define MAX_RUN_BYTES 65000
/* Milliseconds that a thread sleeps at the most while packets are missing. */
#define ASK_MS 10
/* The same while a subscriber's link is probed: what is spread finely shows what it carries. */
#define PROBE_MS 2
/* Tries of one message against errors that are not its own (an ICMP of an earlier one, a signal). */
#define MAX_TRIES 3

static uint64_t nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Sending */

static int send_messages(port_thread_t *thread, struct mmsghdr *messages, unsigned count) {
    port_t *port = thread->port;
    thread->counters.send_calls++;
    size_t injected = port->injected_count;
    if (injected)
        injected = __atomic_fetch_add(&port->injected_at, 1, __ATOMIC_RELAXED);
    if (injected < port->injected_count) {
        int result = port->injected[injected];
        if (result < 0) {
            errno = -result;
            return -1;
        }
        count = (unsigned)result < count ? (unsigned)result : count;
        if (!count)
            return 0;
    }
    return sendmmsg(thread->socket, messages, count, 0);
}

typedef struct run {
    size_t first, count; /* packets of the out */
} run_t;

/* Packets to one address, of one size but for a shorter last one (Documentation/networking/segmentation-offloads:
 * the kernel cuts the payload at every gso_size bytes). */
static size_t run_length(const out_t *out, size_t first, bool segment) {
    const out_packet_t *head = &out->packets[first];
    size_t count = 1, bytes = head->size;
    while (segment && first + count < out->count && count < MAX_SEGMENTS) {
        const out_packet_t *next = &out->packets[first + count];
        if (next->size > head->size || bytes + next->size > MAX_RUN_BYTES ||
            !(next->address == head->address || address_equal(next->address, head->address)))
            break;
        count++;
        bytes += next->size;
        if (next->size < head->size)
            break;
    }
    return count;
}

/* Room for the segment size and for the address to send from. */
#define SEND_CONTROL (CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo)))

/* One message per run. A run is contiguous in the arena, so it takes one iovec. */
typedef struct sending {
    struct mmsghdr messages[OUT_PACKETS];
    struct iovec vectors[OUT_PACKETS];
    struct sockaddr_storage addresses[OUT_PACKETS];
    _Alignas(struct cmsghdr) char controls[OUT_PACKETS][SEND_CONTROL];
    run_t runs[OUT_PACKETS];
    unsigned count;
} sending_t;

static void add_control(struct msghdr *header, int level, int type, const void *data, size_t size) {
    struct cmsghdr *control = (struct cmsghdr *)((char *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), data, size);
    header->msg_controllen += CMSG_SPACE(size);
}

/* Send from the address that the client reaches (RFC 3542 section 6.2, ip(7)). */
static void add_local(struct msghdr *header, const address_t *address, int family) {
    if (family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        memcpy(&info.ipi6_addr, address->local, 16);
        add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, address->local + 12, 4);
        add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

static void add_message(sending_t *sending, const out_t *out, run_t run, int family, lane_t *lane) {
    const out_packet_t *head = &out->packets[run.first], *last = head + run.count - 1;
    unsigned at = sending->count;
    socklen_t length = address_to_socket(head->address, family, &sending->addresses[at]);
    if (!length) {
        lane->drops[DROP_SEND_FAILED] += run.count;
        return;
    }
    sending->vectors[at] = (struct iovec){
        .iov_base = (void *)(out->arena + head->offset),
        .iov_len = last->offset + last->size - head->offset,
    };
    struct msghdr *header = &sending->messages[at].msg_hdr;
    memset(header, 0, sizeof *header);
    header->msg_name = &sending->addresses[at];
    header->msg_namelen = length;
    header->msg_iov = &sending->vectors[at];
    header->msg_iovlen = 1;
    header->msg_control = sending->controls[at];
    memset(sending->controls[at], 0, sizeof sending->controls[at]);
    if (run.count > 1)
        add_control(header, IPPROTO_UDP, UDP_SEGMENT, &head->size, sizeof head->size);
    if (head->address->has_local)
        add_local(header, head->address, family);
    sending->runs[at] = run;
    sending->count++;
}

static void send_all(port_thread_t *thread, sending_t *sending, const out_t *out);

/* Whether an error says that the run cannot be segmented, and not that nothing can be sent. */
static bool refuses_segments(int error) {
    switch (error) {
    case EINVAL:   /* a packet does not fit the MTU, or the route cannot segment */
    case EMSGSIZE: /* the run is too long for the kernel */
    case EIO:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
        return true;
    default:
        return false;
    }
}

/* A run that was refused goes out packet by packet. */
static void send_apart(port_thread_t *thread, const out_t *out, run_t run) {
    sending_t apart;
    apart.count = 0;
    for (size_t at = 0; at < run.count; at++)
        add_message(&apart, out, (run_t){run.first + at, 1}, thread->port->family, &thread->lane);
    send_all(thread, &apart, out);
}

static void send_all(port_thread_t *thread, sending_t *sending, const out_t *out) {
    lane_t *lane = &thread->lane;
    unsigned at = 0, tries = 0;
    while (at < sending->count) {
        int sent = send_messages(thread, sending->messages + at, sending->count - at);
        if (sent > 0) {
            for (int done = 0; done < sent; done++, at++) {
                size_t count = sending->runs[at].count;
                thread->counters.sent += count;
                if (count > 1)
                    thread->counters.segmented += count;
            }
            tries = 0;
            continue;
        }
        int error = sent == 0 ? EINTR : errno;
        run_t run = sending->runs[at];
        if (error == EAGAIN || error == EWOULDBLOCK) {
            /* The buffer is full: what is late already makes way for what comes. */
            for (; at < sending->count; at++)
                lane->drops[DROP_SEND_WOULD_BLOCK] += sending->runs[at].count;
        } else if ((error == EINTR || error == ECONNREFUSED) && ++tries < MAX_TRIES) {
            /* Not of this message: a signal, or the ICMP error of an earlier one. */
            continue;
        } else if (run.count > 1 && refuses_segments(error)) {
            thread->counters.refused++;
            if (error == EIO || error == EOPNOTSUPP || error == ENOPROTOOPT)
                /* The device does no checksums, or the kernel knows no UDP_SEGMENT: it never will. */
                __atomic_store_n(&thread->port->segment, false, __ATOMIC_RELAXED);
            send_apart(thread, out, run);
            at++;
            tries = 0;
        } else {
            lane->drops[error == ENOBUFS ? DROP_SEND_WOULD_BLOCK : DROP_SEND_FAILED] += run.count;
            at++;
            tries = 0;
        }
    }
}

void port_flush(out_t *out) {
    port_thread_t *thread = out->owner;
    sending_t sending;
    sending.count = 0;
    bool segment = __atomic_load_n(&thread->port->segment, __ATOMIC_RELAXED);
    for (size_t at = 0; at < out->count;) {
        run_t run = {at, run_length(out, at, segment)};
        add_message(&sending, out, run, thread->port->family, &thread->lane);
        at += run.count;
    }
    send_all(thread, &sending, out);
    out->count = out->used = 0;
}

/* Receiving */

/* Which of our addresses a datagram came to, where the socket tells it. */
static void read_local(struct msghdr *header, address_t *address) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            memcpy(address->local, &info.ipi6_addr, 16);
            address->has_local = true;
        } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            memcpy(address->local + 12, &info.ipi_addr, 4);
            address->has_local = true;
        }
    }
}

/* Let go of the plane, and wake Python where there is something to take. */
static void release(port_thread_t *thread) {
    bool punted = thread->lane.punted;
    thread->lane.punted = false;
    pthread_rwlock_unlock(&thread->port->plane->lock);
    if (punted) {
        uint64_t one = 1;
        /* A full eventfd is as awake as one can be. */
        ssize_t written = write(thread->port->wake, &one, sizeof one);
        (void)written;
    }
}

static void work(port_thread_t *thread) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage senders[BATCH];
    _Alignas(struct cmsghdr) char controls[BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))];
    for (size_t at = 0; at < BATCH; at++) {
        vectors[at] = (struct iovec){thread->slots[at], SLOT};
        memset(&messages[at], 0, sizeof messages[at]);
        messages[at].msg_hdr.msg_iov = &vectors[at];
        messages[at].msg_hdr.msg_iovlen = 1;
        messages[at].msg_hdr.msg_name = &senders[at];
        messages[at].msg_hdr.msg_namelen = sizeof senders[at];
        messages[at].msg_hdr.msg_control = controls[at];
        messages[at].msg_hdr.msg_controllen = sizeof controls[at];
    }
    int count = recvmmsg(thread->socket, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count <= 0)
        return; /* Nothing, or the ICMP error of an earlier send. */
    plane_t *plane = thread->port->plane;
    lane_t *lane = &thread->lane;
    pthread_rwlock_rdlock(&plane->lock);
    uint64_t begin = nanoseconds();
    double now = (double)begin / 1e9;
    for (int at = 0; at < count; at++) {
        address_t address;
        size_t size = messages[at].msg_len;
        if (!address_from_socket(&senders[at], &address))
            continue;
        /* Only checks choose a path. */
        if (size && thread->slots[at][0] <= 3)
            read_local(&messages[at].msg_hdr, &address);
        /* Media longer than the slot is refused by its size; of the rest the slot's part is seen. */
        bool media = size && thread->slots[at][0] >= 128;
        lane_receive(lane, thread->slots[at], size > SLOT && !media ? SLOT : size, &address, now);
    }
    lane_forward(lane, now);
    thread->counters.batches++;
    thread->counters.sizes[count > 1 ? 32 - __builtin_clz((unsigned)count - 1) : 0]++;
    thread->counters.received += (uint64_t)count;
    if (plane_ask_due(plane, begin))
        lane_ask(lane, now);
    if (plane_probe_due(plane, begin))
        lane_probe(lane, now);
    thread->counters.busy_ns += nanoseconds() - begin;
    release(thread);
}

/* What is due although nothing came. */
static void ask(port_thread_t *thread) {
    plane_t *plane = thread->port->plane;
    pthread_rwlock_rdlock(&plane->lock);
    uint64_t begin = nanoseconds();
    if (plane_ask_due(plane, begin))
        lane_ask(&thread->lane, (double)begin / 1e9);
    if (plane_probe_due(plane, begin))
        lane_probe(&thread->lane, (double)begin / 1e9);
    thread->counters.busy_ns += nanoseconds() - begin;
    release(thread);
}

/* Milliseconds after which something may be due; -1 for none. */
static int wait_time(plane_t *plane) {
    if (plane_probes(plane))
        return PROBE_MS;
    return plane_misses(plane) ? ASK_MS : -1;
}

static void *run(void *argument) {
    port_thread_t *thread = argument;
    struct pollfd waits[3] = {
        {.fd = thread->socket, .events = POLLIN},
        {.fd = thread->port->stopping, .events = POLLIN},
        {.fd = thread->port->rouse, .events = POLLIN},
    };
    for (;;) {
        /* A signal, or a kernel that is out of memory for a moment: neither ends the media. */
        int ready = poll(waits, 3, wait_time(thread->port->plane));
        if (ready < 0)
            continue;
        if (!ready) {
            ask(thread);
            continue;
        }
        if (waits[1].revents)
            break;
        if (waits[2].revents) {
            /* One takes it, and waits less long from now on; the others find it gone. */
            uint64_t count;
            ssize_t taken = read(thread->port->rouse, &count, sizeof count);
            (void)taken;
        }
        if (waits[0].revents)
            work(thread);
    }
    return NULL;
}

/* Opening */

static uint16_t bound_port(int fd) {
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    address_t address;
    if (getsockname(fd, (struct sockaddr *)&name, &length) < 0 || !address_from_socket(&name, &address))
        return 0;
    return address.port;
}

static int open_socket(port_t *port, const char *host, uint16_t number, bool shared) {
    address_t address;
    bool any = !*host;
    if (!address_parse(any ? "::" : host, number, &address)) {
        errno = EINVAL;
        return -1;
    }
    if (!port->family)
        port->family = any || strchr(host, ':') ? AF_INET6 : AF_INET;
    int fd = socket(port->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && any && port->family == AF_INET6) {
        /* A kernel without IPv6. */
        port->family = AF_INET;
        address_parse("0.0.0.0", number, &address);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    } else if (any && port->family == AF_INET) {
        address_parse("0.0.0.0", number, &address);
    }
    if (fd < 0)
        return -1;
    bool all = address_unspecified(&address);
    int buffer = SOCKET_BUFFER, off = 0, on = 1;
    /* Best effort: the kernel's limit may be lower. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    struct sockaddr_storage name;
    socklen_t length = address_to_socket(&address, port->family, &name);
    if ((port->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0) ||
        /* Bound to one address, everything comes to it and leaves by it. */
        (all && port->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) < 0) ||
        (all && port->family == AF_INET && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0) ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) || !length ||
        bind(fd, (struct sockaddr *)&name, length) < 0) {
        int error = length ? errno : EINVAL;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int open_all(port_t *port, const char *host, uint16_t number, size_t threads) {
    bool shared = threads > 1;
    if (shared) {
        /* SO_REUSEPORT would share the port with another server of this user, and each would get a part of
         * the other's clients. Alone on it or not at all; a free port is chosen so, too. */
        int alone = open_socket(port, host, number, false);
        if (alone < 0)
            return errno;
        number = bound_port(alone);
        close(alone);
    }
    for (size_t at = 0; at < threads; at++) {
        port_thread_t *thread = calloc(1, sizeof *thread);
        if (!thread)
            return ENOMEM;
        port->threads[port->thread_count++] = thread;
        thread->port = port;
        lane_init(&thread->lane, port->plane, port_flush, thread);
        thread->socket = open_socket(port, host, at ? port->number : number, shared);
        if (thread->socket < 0)
            return errno;
        if (!at)
            port->number = bound_port(thread->socket);
    }
    /* Signals are for the threads of the process that wait for them. */
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &former);
    int error = 0;
    for (size_t at = 0; at < threads && !error; at++) {
        error = pthread_create(&port->threads[at]->thread, NULL, run, port->threads[at]);
        port->threads[at]->running = !error;
    }
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error;
}

int port_open(port_t *port, plane_t *plane, const char *host, uint16_t number, size_t threads, bool segment) {
    memset(port, 0, sizeof *port);
    port->plane = plane;
    port->segment = segment;
    port->owner = getpid();
    port->stopping = port->rouse = -1;
    port->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = port->wake < 0 ? errno : 0;
    if (!error) {
        port->stopping = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        port->rouse = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        error = port->stopping < 0 || port->rouse < 0 ? errno : open_all(port, host, number, threads);
    }
    if (error) {
        port_close(port);
        return error;
    }
    /* What the control side sends goes by the first socket; under the plane's lock nobody else uses it. */
    pthread_rwlock_wrlock(&plane->lock);
    lane_init(&plane->control, plane, port_flush, port->threads[0]);
    pthread_rwlock_unlock(&plane->lock);
    return 0;
}

void port_rouse(port_t *port) {
    uint64_t one = 1;
    /* A full eventfd is as awake as one can be. */
    ssize_t written = write(port->rouse, &one, sizeof one);
    (void)written;
}

void port_close(port_t *port) {
    plane_t *plane = port->plane;
    bool ours = port->owner == getpid();
    if (ours) {
        uint64_t one = 1;
        /* Nobody reads it and nobody else writes it: it takes the one. */
        ssize_t written = port->stopping >= 0 ? write(port->stopping, &one, sizeof one) : 0;
        (void)written;
        pthread_rwlock_wrlock(&plane->lock);
    } else {
        /* The threads may have held their locks when the process forked, and nobody is left to release them. */
        plane_forked(plane);
    }
    lane_init(&plane->control, plane, plane_keep, NULL);
    plane->pad = false;
    if (ours)
        pthread_rwlock_unlock(&plane->lock);
    for (size_t at = 0; at < port->thread_count; at++) {
        port_thread_t *thread = port->threads[at];
        if (thread->running && ours)
            pthread_join(thread->thread, NULL);
        if (thread->socket >= 0)
            close(thread->socket);
        for (int reason = 0; reason < DROP_COUNT; reason++)
            plane->control.drops[reason] += thread->lane.drops[reason];
        for (int repair = 0; repair < REPAIR_COUNT; repair++)
            plane->control.repairs[repair] += thread->lane.repairs[repair];
        free(thread);
        port->threads[at] = NULL;
    }
    port->thread_count = 0;
    if (port->wake >= 0)
        close(port->wake);
    if (port->stopping >= 0)
        close(port->stopping);
    if (port->rouse >= 0)
        close(port->rouse);
    port->wake = port->stopping = port->rouse = -1;
}
