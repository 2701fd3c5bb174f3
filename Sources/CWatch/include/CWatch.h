/// System calls that Swift cannot import: datagrams with their errors, processes by descriptor, processor time.
#ifndef CWATCH_H
#define CWATCH_H

#include <stdint.h>

/// Where a datagram goes or comes from: an IPv4 address and a port, both in the order of this machine's bytes.
typedef struct {
  uint32_t address;
  uint16_t port;
} dms_endpoint;

/// A socket for datagrams on every address of this host, at a port that the system chooses; below 0: the error's number, negative.
int dms_datagram_open(uint16_t *port);
/// Sends `count` bytes, or loses them: nobody waits.
void dms_datagram_send(int socket, dms_endpoint to, const void *bytes, int count);
/// The next datagram's length, of at most `count` bytes; below 0: none is there.
int dms_datagram_receive(int socket, void *bytes, int count, dms_endpoint *from);
/// Whether another endpoint was found closed since this was last asked; `closed`: which.
int dms_datagram_refused(int socket, dms_endpoint *closed);
/// The addresses of this host's network interfaces that are up, without the loopback's; their number, at most `most`.
int dms_addresses(uint32_t *addresses, int most);

/// A descriptor that becomes readable when process `pid` ends; below 0: none.
int dms_process_open(int pid);
/// Nanoseconds that all threads of this process but the calling one have computed.
uint64_t dms_processor_nanoseconds(void);

#endif
