#define _GNU_SOURCE
#include "CWatch.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in outward(dms_endpoint endpoint) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(endpoint.port), .sin_addr.s_addr = htonl(endpoint.address)};
}

static dms_endpoint inward(const struct sockaddr_in *name) {
  return (dms_endpoint){.address = ntohl(name->sin_addr.s_addr), .port = ntohs(name->sin_port)};
}

int dms_datagram_open(uint16_t *port) {
  const int number = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (number < 0) return -errno;
  struct sockaddr_in name = outward((dms_endpoint){0});
  socklen_t length = sizeof name;
  const int on = 1;
  if (bind(number, (struct sockaddr *)&name, length) || getsockname(number, (struct sockaddr *)&name, &length) ||
      setsockopt(number, IPPROTO_IP, IP_RECVERR, &on, sizeof on)) {
    const int code = errno;
    close(number);
    return -code;
  }
  *port = ntohs(name.sin_port);
  return number;
}

void dms_datagram_send(int socket, dms_endpoint to, const void *bytes, int count) {
  const struct sockaddr_in name = outward(to);
  // An error that an earlier datagram met is told by the next call, which then has sent nothing.
  for (int attempt = 0; attempt < 2; attempt++)
    if (sendto(socket, bytes, count, MSG_NOSIGNAL, (const struct sockaddr *)&name, sizeof name) >= 0) return;
}

int dms_datagram_receive(int socket, void *bytes, int count, dms_endpoint *from) {
  struct sockaddr_in name = {0};
  for (int attempt = 0; attempt < 64; attempt++) {
    socklen_t length = sizeof name;
    const ssize_t received = recvfrom(socket, bytes, count, 0, (struct sockaddr *)&name, &length);
    if (received >= 0) {
      *from = inward(&name);
      return received;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return -1;
  }
  return -1;
}

int dms_datagram_refused(int socket, dms_endpoint *closed) {
  struct sockaddr_in name = {0};
  char control[512];
  struct msghdr message = {
      .msg_name = &name, .msg_namelen = sizeof name, .msg_control = control, .msg_controllen = sizeof control};
  while (recvmsg(socket, &message, MSG_ERRQUEUE) >= 0) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_RECVERR) continue;
      struct sock_extended_err error;
      memcpy(&error, CMSG_DATA(part), sizeof error);
      if (error.ee_errno != ECONNREFUSED) continue;
      *closed = inward(&name);
      return 1;
    }
    message.msg_namelen = sizeof name;
    message.msg_controllen = sizeof control;
  }
  return 0;
}

int dms_addresses(uint32_t *addresses, int most) {
  struct ifaddrs *all;
  if (getifaddrs(&all)) return 0;
  int count = 0;
  for (struct ifaddrs *one = all; one && count < most; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
    if (!(one->ifa_flags & IFF_UP) || one->ifa_flags & IFF_LOOPBACK) continue;
    addresses[count++] = ntohl(((const struct sockaddr_in *)one->ifa_addr)->sin_addr.s_addr);
  }
  freeifaddrs(all);
  return count;
}

int dms_process_open(int pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0);
#else
  (void)pid;
  return -1;
#endif
}

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec time;
  return clock_gettime(clock, &time) ? 0 : time.tv_sec * 1000000000ull + time.tv_nsec;
}

uint64_t dms_processor_nanoseconds(void) {
  return nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}
