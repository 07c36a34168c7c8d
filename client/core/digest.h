/* MD5 (RFC 1321) and SHA-256 (FIPS 180-4) of a byte string, in lower hex. */
#ifndef PYTHIA_DIGEST_H
#define PYTHIA_DIGEST_H

#include <stddef.h>
#include <stdint.h>

void pythia_md5(const void *data, size_t length, char hex[33]);
/* The numbers that the first and the second fifteen hex digits of the MD5 make. */
void pythia_md5_slices(const void *data, size_t length, uint64_t slices[2]);
void pythia_sha256(const void *data, size_t length, char hex[65]);

#define PYTHIA_HMAC_BLOCK 64
/* What stands before the message and before the inner digest in HMAC-SHA-256 (RFC 2104). */
void pythia_hmac_pads(const void *key, size_t length, unsigned char inner[PYTHIA_HMAC_BLOCK],
					  unsigned char outer[PYTHIA_HMAC_BLOCK]);
/* HMAC-SHA-256 by the two, in lower hex. */
void pythia_hmac(const unsigned char inner[PYTHIA_HMAC_BLOCK], const unsigned char outer[PYTHIA_HMAC_BLOCK],
				 const void *data, size_t length, char hex[65]);
/* Stands before the pads' hex digits in a statement, so that they are known for a secret (secret.h). */
#define PYTHIA_MASK_MARK "mask_key="

#endif
