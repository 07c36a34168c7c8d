#include "core/digest.h"

#include <stdint.h>
#include <string.h>

#include "core/buffer.h"

static uint32_t rotate_left(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static uint32_t rotate_right(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void to_hex(const unsigned char *bytes, int n, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < n; i++)
	{
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * n] = '\0';
}

/* Feeds whole 64-byte blocks, then the rest with 0x80, zeros and the length in bits. */
static void pad_and_feed(const unsigned char *data, size_t length, int little_endian, uint32_t *state,
						 void (*block)(uint32_t *state, const unsigned char *bytes))
{
	unsigned char tail[128] = {0};
	uint64_t bits = (uint64_t) length * 8;
	size_t rest, tail_length;

	while (length >= 64)
	{
		block(state, data);
		data += 64;
		length -= 64;
	}
	rest = length;
	if (rest > 0)
		memcpy(tail, data, rest);
	tail[rest] = 0x80;
	tail_length = rest + 9 <= 64 ? 64 : 128;
	for (int i = 0; i < 8; i++)
		tail[tail_length - 8 + i] = (unsigned char) (bits >> (little_endian ? 8 * i : 56 - 8 * i));
	block(state, tail);
	if (tail_length == 128)
		block(state, tail + 64);
}

/* floor(2^32 * |sin(i + 1)|), RFC 1321 section 3.4 */
static const uint32_t md5_sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

/* One step: a becomes b + rotated(a + mix of b, c, d + a word + a constant). */
#define MD5_STEP(mix, a, b, c, d, word, i, shift)                                                                      \
	(a) = (b) + rotate_left((a) + (mix) + words[word] + md5_sines[i], shift)
#define MD5_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define MD5_G(b, c, d) ((c) ^ ((d) & ((b) ^ (c))))
#define MD5_H(b, c, d) ((b) ^ (c) ^ (d))
#define MD5_I(b, c, d) ((c) ^ ((b) | ~(d)))
/* Four steps, after which the four words have their places again. */
#define MD5_FOUR(F, i, w0, w1, w2, w3, s0, s1, s2, s3)                                                                 \
	MD5_STEP(F(b, c, d), a, b, c, d, w0, i, s0);                                                                       \
	MD5_STEP(F(a, b, c), d, a, b, c, w1, (i) + 1, s1);                                                                 \
	MD5_STEP(F(d, a, b), c, d, a, b, w2, (i) + 2, s2);                                                                 \
	MD5_STEP(F(c, d, a), b, c, d, a, w3, (i) + 3, s3)

static void md5_block(uint32_t *state, const unsigned char *bytes)
{
	uint32_t words[16];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

	for (int i = 0; i < 16; i++)
		words[i] = (uint32_t) bytes[4 * i] | (uint32_t) bytes[4 * i + 1] << 8 | (uint32_t) bytes[4 * i + 2] << 16 |
				   (uint32_t) bytes[4 * i + 3] << 24;
	MD5_FOUR(MD5_F, 0, 0, 1, 2, 3, 7, 12, 17, 22);
	MD5_FOUR(MD5_F, 4, 4, 5, 6, 7, 7, 12, 17, 22);
	MD5_FOUR(MD5_F, 8, 8, 9, 10, 11, 7, 12, 17, 22);
	MD5_FOUR(MD5_F, 12, 12, 13, 14, 15, 7, 12, 17, 22);
	MD5_FOUR(MD5_G, 16, 1, 6, 11, 0, 5, 9, 14, 20);
	MD5_FOUR(MD5_G, 20, 5, 10, 15, 4, 5, 9, 14, 20);
	MD5_FOUR(MD5_G, 24, 9, 14, 3, 8, 5, 9, 14, 20);
	MD5_FOUR(MD5_G, 28, 13, 2, 7, 12, 5, 9, 14, 20);
	MD5_FOUR(MD5_H, 32, 5, 8, 11, 14, 4, 11, 16, 23);
	MD5_FOUR(MD5_H, 36, 1, 4, 7, 10, 4, 11, 16, 23);
	MD5_FOUR(MD5_H, 40, 13, 0, 3, 6, 4, 11, 16, 23);
	MD5_FOUR(MD5_H, 44, 9, 12, 15, 2, 4, 11, 16, 23);
	MD5_FOUR(MD5_I, 48, 0, 7, 14, 5, 6, 10, 15, 21);
	MD5_FOUR(MD5_I, 52, 12, 3, 10, 1, 6, 10, 15, 21);
	MD5_FOUR(MD5_I, 56, 8, 15, 6, 13, 6, 10, 15, 21);
	MD5_FOUR(MD5_I, 60, 4, 11, 2, 9, 6, 10, 15, 21);
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void md5_bytes(const void *data, size_t length, unsigned char bytes[16])
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

	pad_and_feed(data, length, 1, state, md5_block);
	for (int i = 0; i < 16; i++)
		bytes[i] = (unsigned char) (state[i / 4] >> (8 * (i % 4)));
}

void pythia_md5_slices(const void *data, size_t length, uint64_t slices[2])
{
	unsigned char bytes[16];

	md5_bytes(data, length, bytes);
	slices[0] = slices[1] = 0;
	for (int i = 0; i < 8; i++)
	{
		slices[0] = slices[0] << 8 | bytes[i];
		slices[1] = slices[1] << 8 | bytes[i + 7];
	}
	/* hex digits 0 to 14, and 15 to 29 */
	slices[0] >>= 4;
	slices[1] &= (UINT64_C(1) << 60) - 1;
}

void pythia_md5(const void *data, size_t length, char hex[33])
{
	unsigned char bytes[16];

	md5_bytes(data, length, bytes);
	to_hex(bytes, 16, hex);
}

/* the fractions of the cube roots of the first 64 primes, FIPS 180-4 section 4.2.2 */
static const uint32_t sha256_roots[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_block(uint32_t *state, const unsigned char *bytes)
{
	uint32_t words[64];
	uint32_t v[8];

	for (int i = 0; i < 16; i++)
		words[i] = (uint32_t) bytes[4 * i] << 24 | (uint32_t) bytes[4 * i + 1] << 16 |
				   (uint32_t) bytes[4 * i + 2] << 8 | (uint32_t) bytes[4 * i + 3];
	for (int i = 16; i < 64; i++)
	{
		uint32_t x = words[i - 15], y = words[i - 2];

		words[i] = words[i - 16] + (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + words[i - 7] +
				   (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
	}
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++)
	{
		uint32_t first = v[7] + (rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25)) +
						 ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_roots[i] + words[i];
		uint32_t second = (rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22)) +
						  ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(&v[1], &v[0], 7 * sizeof(v[0]));
		v[4] += first;
		v[0] = first + second;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

static void sha256(const void *data, size_t length, unsigned char bytes[32])
{
	uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
						 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	pad_and_feed(data, length, 0, state, sha256_block);
	for (int i = 0; i < 32; i++)
		bytes[i] = (unsigned char) (state[i / 4] >> (24 - 8 * (i % 4)));
}

void pythia_sha256(const void *data, size_t length, char hex[65])
{
	unsigned char bytes[32];

	sha256(data, length, bytes);
	to_hex(bytes, 32, hex);
}

void pythia_hmac_pads(const void *key, size_t length, unsigned char inner[PYTHIA_HMAC_BLOCK],
					  unsigned char outer[PYTHIA_HMAC_BLOCK])
{
	unsigned char block[PYTHIA_HMAC_BLOCK] = {0};

	if (length > sizeof(block))
		sha256(key, length, block);
	else
		memcpy(block, key, length);
	for (int i = 0; i < PYTHIA_HMAC_BLOCK; i++)
	{
		inner[i] = block[i] ^ 0x36;
		outer[i] = block[i] ^ 0x5c;
	}
}

void pythia_hmac(const unsigned char inner[PYTHIA_HMAC_BLOCK], const unsigned char outer[PYTHIA_HMAC_BLOCK],
				 const void *data, size_t length, char hex[65])
{
	unsigned char last[PYTHIA_HMAC_BLOCK + 32];
	pythia_buffer message = PYTHIA_BUFFER_INIT;

	memcpy(last, outer, PYTHIA_HMAC_BLOCK);
	pythia_buffer_append(&message, inner, PYTHIA_HMAC_BLOCK);
	pythia_buffer_append(&message, data, length);
	sha256(message.data, message.length, last + PYTHIA_HMAC_BLOCK);
	pythia_buffer_free(&message);
	pythia_sha256(last, sizeof(last), hex);
}
