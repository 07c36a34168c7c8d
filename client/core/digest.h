/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4) of a byte string, in lower hex. */
#ifndef PYTHIA_DIGEST_H
#define PYTHIA_DIGEST_H

#include <stddef.h>
#include <stdint.h>

void pythia_md5(const void *data, size_t length, char hex[33]);
/* The numbers that the first and the second fifteen hex digits of the MD5 make. */
void pythia_md5_slices(const void *data, size_t length, uint64_t slices[2]);
void pythia_sha256(const void *data, size_t length, char hex[65]);

#endif
