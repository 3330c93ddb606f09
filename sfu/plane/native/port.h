/* The media port: sockets on one UDP port, each with a thread that forwards. */
#ifndef CHATTER_PORT_H
#define CHATTER_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plane.h"

#define MAX_THREADS 64
/* Bytes of a datagram that are read; what is longer is none of ours and dropped by its size. */
#define SLOT 2048

/* Results that tests put in place of sendmmsg's: n >= 0 sends n messages (all, if there are fewer), a negative
 * one fails with that errno. */
#define MAX_INJECTED 64

/* Powers of two up to BATCH. */
#define BATCH_SIZES 7

typedef struct port_counters {
    uint64_t batches, received, sent, send_calls;
    uint64_t segmented;  /* packets that went out in a run of UDP_SEGMENT */
    uint64_t refused;    /* runs that kernel or device would not segment, sent one by one */
    uint64_t busy_ns;    /* time spent working, not waiting */
    uint64_t sizes[BATCH_SIZES]; /* batches of up to 1, 2, 4, … 64 datagrams */
} port_counters_t;

typedef struct port_thread {
    struct port *port;
    pthread_t thread;
    int socket;
    bool running; /* the thread exists */
    lane_t lane;
    port_counters_t counters;
    uint8_t slots[BATCH][SLOT];
} port_thread_t;

typedef struct port {
    plane_t *plane;
    int family;
    uint16_t number;
    pid_t owner;  /* the process that the threads are of */
    int wake;     /* eventfd: punts wait */
    int stopping; /* eventfd: threads end */
    int rouse;    /* eventfd: something is due by time from now on */
    bool segment; /* UDP_SEGMENT works, as far as known */
    size_t thread_count;
    port_thread_t *threads[MAX_THREADS];
    int injected[MAX_INJECTED];
    size_t injected_count, injected_at;
} port_t;

/* Open `threads` sockets on one port (0 takes a free one) and start their threads. 0, or the errno. `host`
 * empty: all addresses, IPv6 and IPv4. */
int port_open(port_t *port, plane_t *plane, const char *host, uint16_t number, size_t threads, bool segment);
/* End the threads and close the sockets. What the control side sends is kept in memory again, and what the
 * threads have dropped is counted there. In a forked child, which has none of the threads, the parent's go on. */
void port_close(port_t *port);
/* Have a thread look at what is due by time. */
void port_rouse(port_t *port);
/* The flush of lanes that send by this port; `owner` of the lane is a port_thread. */
void port_flush(out_t *out);

#endif
