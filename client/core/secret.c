#define _GNU_SOURCE /* memmem, memrchr, strcasestr */
#include "core/secret.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/text.h"

/* Of a URL.  One longer is nobody's. */
#define MOST_URL_BYTES 4096
/* Of a text that is looked through, and how often each byte of it may be looked at: this runs where nothing can
 * interrupt it, on texts of whoever may log one.  What is left then is hidden unread. */
#define MOST_TEXT_BYTES (1024 * 1024)
#define MOST_LOOKS      64

/* A text and what of it has been found. */
typedef struct scan
{
	char *text;
	char *end; /* its terminator */
	bool whole;
	bool found;
	size_t *looks; /* that are left, for this text and those within it */
} scan;

static void spend(const scan *s, const char *from, const char *end)
{
	size_t bytes = (size_t) (end - from) + 1;

	*s->looks -= bytes < *s->looks ? bytes : *s->looks;
}

/* --- names ------------------------------------------------------------------ */

static bool ends_with(const char *name, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length >= n && strncasecmp(name + length - n, end, n) == 0;
}

static bool holds(const char *name, size_t length, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= length; i++)
		if (strncasecmp(name + i, word, n) == 0)
			return true;
	return false;
}

bool pythia_secret_name(const char *name, size_t length)
{
	static const char *const words[] = {"password", "passwd", "passphrase", "pwd",
										"secret",   "token",  "credential", "mask_key"};

	/* where a secret lies is none, nor whether one is wanted */
	if (ends_with(name, length, "file") || ends_with(name, length, "required"))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (holds(name, length, words[i]))
			return true;
	/* not bypass or compass */
	return ends_with(name, length, "pass") && (length == 4 || !isalpha((unsigned char) name[length - 5]));
}

static bool name_byte(char c)
{
	return isalnum((unsigned char) c) || (c != '\0' && strchr("_-.%", c) != NULL);
}

/* A name as it stands in a text, where %77 is w. */
static bool secret_as_written(const char *name, size_t length)
{
	char *plain;
	size_t n = 0;
	bool secret;

	if (!memchr(name, '%', length))
		return pythia_secret_name(name, length);
	plain = pythia_malloc(length + 1);
	for (size_t i = 0; i < length; i++)
	{
		int high = name[i] == '%' && i + 2 < length ? pythia_hex_value(name[i + 1]) : -1;
		int low = high >= 0 ? pythia_hex_value(name[i + 2]) : -1;

		if (low >= 0)
		{
			plain[n++] = (char) (high << 4 | low);
			i += 2;
		}
		else
			plain[n++] = name[i];
	}
	secret = pythia_secret_name(plain, n);
	pythia_free(plain);
	return secret;
}

/* --- quotes ----------------------------------------------------------------- */

/* What ends the text that begins at `from`, after its opening quote (which may be a dollar quote of SQL, or a
 * quote behind backslashes, as JSON within JSON has it). */
static char *closing(const scan *s, char *from)
{
	char quote = from[-1];
	size_t slashes = 0;
	bool escapes;
	char *p;

	if (quote == '$')
	{
		char *tag = from - 1;
		char *end;
		char *copy;

		while (tag > s->text && tag[-1] != '$' && (isalnum((unsigned char) tag[-1]) || tag[-1] == '_'))
			tag--;
		if (tag > s->text && tag[-1] == '$')
			tag--;
		copy = pythia_strndup(tag, (size_t) (from - tag));
		end = memmem(from, (size_t) (s->end - from), copy, strlen(copy));
		pythia_free(copy);
		end = end ? end : s->end;
		spend(s, from, end);
		return end;
	}
	while (from - 2 - slashes >= s->text && from[-2 - (ptrdiff_t) slashes] == '\\')
		slashes++;
	/* only E'…' of SQL knows backslashes */
	escapes = quote == '"' || (from - 2 >= s->text && (from[-2] == 'E' || from[-2] == 'e'));

	for (p = from; *p; p++)
	{
		size_t before = 0;

		if (*p != quote)
			continue;
		while (p - 1 - before >= from && p[-1 - (ptrdiff_t) before] == '\\')
			before++;
		if (quote == '\'' && p[1] == '\'' && slashes == 0)
			p++;
		else if (!escapes || before == slashes || (slashes == 0 && before % 2 == 0))
		{
			spend(s, from, p);
			return p - (slashes < before ? slashes : before);
		}
	}
	spend(s, from, p);
	return p;
}

static void hide(scan *s, char *from, const char *end)
{
	if (end > from)
	{
		memset(from, '*', (size_t) (end - from));
		s->found = true;
	}
}

/* --- URLs ------------------------------------------------------------------- */

/* *bounded: it is certain that the URL ends there. */
static char *url_end(const scan *s, char *scheme, char *from, bool *bounded)
{
	char *before = scheme;
	char *end = from;

	while (before > s->text && isspace((unsigned char) before[-1]))
		before--;
	*bounded = s->whole || (before > s->text && strchr("'\"$", before[-1]));
	if (before > s->text && strchr("'\"$", before[-1]))
		return closing(s, before);
	while ((size_t) (end - from) < MOST_URL_BYTES && *end && (s->whole || !strchr(" \t\r\n\"'", *end)))
		end++;
	return end;
}

/* The query of a URL: name=value&name=value */
static void hide_parameters(scan *s, char *query, char *end)
{
	while (query < end)
	{
		char *stop = memchr(query, '&', (size_t) (end - query));
		char *equals;

		stop = stop ? stop : end;
		equals = memchr(query, '=', (size_t) (stop - query));
		if (equals && secret_as_written(query, (size_t) (equals - query)))
			hide(s, equals + 1, stop);
		query = stop + 1;
	}
}

/* `from` is behind the "://"; the result, behind the host. */
static char *hide_in_url(scan *s, char *scheme, char *from)
{
	bool bounded;
	char *end = url_end(s, scheme, from, &bounded);
	size_t length = (size_t) (end - from) < MOST_URL_BYTES ? (size_t) (end - from) : MOST_URL_BYTES;
	char *query = memchr(from, '?', length);
	char *stop = from;
	char *colon;
	char *at;
	bool port;

	end = from + length;
	spend(s, from, end);
	while (stop < end && *stop != '/' && *stop != '?')
		stop++;
	at = memrchr(from, '@', (size_t) (stop - from));
	colon = memchr(from, ':', (size_t) ((at ? at : stop) - from));
	port = colon && colon + 1 + strspn(colon + 1, "0123456789") >= stop;
	if (query)
		hide_parameters(s, query + 1, end);
	if (colon && at)
		hide(s, colon + 1, at);
	else if (colon && *from != '[')
	{
		/* a slash or a question mark in a password, or a host forgotten: no URL of ours, but somebody's password */
		at = memrchr(from, '@', length);
		if (at && at > colon && (!port || bounded))
			hide(s, colon + 1, at);
		else if (!port)
			hide(s, colon + 1, stop);
	}
	/* another URL, or another name, may follow in the same word */
	return stop;
}

/* --- URLs that are none ------------------------------------------------------ */

/* From the first colon to the last at sign, there may be a password. */
static void hide_between(scan *s, char *from, const char *end)
{
	char *at = memrchr(from, '@', (size_t) (end - from));
	char *colon = at ? memchr(from, ':', (size_t) (at - from)) : NULL;

	if (colon)
		hide(s, colon + 1, at);
}

/* A URL in quotes whose "://" is misspelt: 'mysql:user:password@host'.  `from` is behind the scheme. */
static char *hide_in_misspelt(scan *s, const char *scheme, char *from)
{
	static const char *const schemes[] = {"postgresql", "postgres", "mysql", "mariadb"};
	bool known = false;
	char *end;

	if (s->whole || scheme == s->text || !strchr("'\"", scheme[-1]) || (*from != ':' && *from != '/'))
		return from;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		known = known || (strlen(schemes[i]) == (size_t) (from - scheme) &&
						  strncasecmp(scheme, schemes[i], (size_t) (from - scheme)) == 0);
	if (!known)
		return from;
	from += strspn(from, ":/");
	end = from + strnlen(from, MOST_URL_BYTES);
	for (char *p = from; p < end; p++)
		if (*p == scheme[-1])
			end = p;
	hide_between(s, from, end);
	return end;
}

/* --- name and value --------------------------------------------------------- */

/* What follows a secret name at `from`: hides the value, and gives where to go on. */
static char *hide_value(scan *s, char *from)
{
	char *p = from;
	bool quoted;
	bool told = false;

	while (*p == '\\')
		p++;
	quoted = *p == '"' || *p == '\'';
	if (quoted)
		p++;
	for (; isspace((unsigned char) *p) || *p == ':' || *p == '=' || *p == '>' || (*p == ',' && quoted); p++)
		told = told || !isspace((unsigned char) *p);
	if ((*p == 'E' || *p == 'e') && p[1] == '\'')
		p++;
	while (*p == '\\' && told)
		p++;
	/* a name before a double quote is prose: user "x", token "y" */
	if (*p == '\'' || (*p == '"' && told) ||
		(*p == '$' && (p[1] == '$' || isalpha((unsigned char) p[1]) || p[1] == '_')))
	{
		char *end;

		if (*p == '$')
			p += strcspn(p + 1, "$") + 1;
		if (!*p)
			return p;
		end = closing(s, p + 1);
		hide(s, p + 1, end);
		return *end ? end + 1 : end;
	}
	/* a list or an object where a text was wanted */
	if (told && (*p == '[' || *p == '{'))
	{
		char *end = p + 1 + strcspn(p + 1, *p == '[' ? "]" : "}");

		hide(s, p + 1, end);
		return end;
	}
	if (!told || (quoted && memchr(from, ',', (size_t) (p - from))))
		return from;
	{
		char *end = p + strcspn(p, " \t\r\n&,;})]\"'");

		hide(s, p, end);
		return end;
	}
}

/* --- JSON ------------------------------------------------------------------- */

/* Decodes a JSON string's escapes as far as ASCII goes; the rest may be anything. */
static char *decoded(const char *from, size_t length)
{
	char *plain = pythia_malloc(length + 1);
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
	{
		int code = 0;

		if (from[i] != '\\' || i + 1 >= length)
		{
			plain[n++] = from[i];
			continue;
		}
		i++;
		if (from[i] != 'u' || i + 4 >= length)
		{
			plain[n++] = from[i];
			continue;
		}
		for (int k = 1; k <= 4 && code >= 0; k++)
		{
			int digit = pythia_hex_value(from[i + (size_t) k]);

			code = digit < 0 ? -1 : code * 16 + digit;
		}
		plain[n++] = code > 0 && code < 128 ? (char) code : '?';
		i += 4;
	}
	plain[n] = '\0';
	return plain;
}

static bool mask(char *text, bool whole, size_t *looks);

/* A string written with escapes is looked at as what it means.  NULL where it holds no secret. */
static char *hide_escaped(scan *s, char *from)
{
	char *end = closing(s, from);
	char *plain;
	char *result = NULL;
	size_t length;

	if (!memchr(from, '\\', (size_t) (end - from)))
		return NULL;
	plain = decoded(from, (size_t) (end - from));
	length = strlen(plain);
	if (length == strspn(plain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.%") &&
		secret_as_written(plain, length))
		result = hide_value(s, end);
	else if (mask(plain, true, s->looks))
	{
		hide(s, from, end);
		result = end;
	}
	pythia_free(plain);
	return result;
}

/* --- all of it -------------------------------------------------------------- */

static bool worth_a_look(const char *text, bool whole)
{
	static const char *const words[] = {"://", "pass", "pwd", "secret", "token", "credential", "mask_key"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(text, words[i]))
			return true;
	if (strchr(text, '@') &&
		(whole || strcasestr(text, "postgres") || strcasestr(text, "mysql") || strcasestr(text, "mariadb")))
		return true;
	/* these letters may be written otherwise */
	return strstr(text, "\\u") || strstr(text, ":\\/");
}

static bool mask(char *text, bool whole, size_t *looks)
{
	scan s = {text, text + strlen(text), whole, false, looks};
	char *p = text;

	if (!worth_a_look(text, whole))
		return false;
	if (whole && !strstr(text, "://"))
		hide_between(&s, text, s.end);
	while (*p)
	{
		char *name = p;
		char *next;

		if (*looks == 0)
		{
			hide(&s, p, s.end);
			break;
		}
		if (*p == '"' && (next = hide_escaped(&s, p + 1)))
		{
			p = next;
			continue;
		}
		while (name_byte(*p) || (*p == '+' && p > name))
			p++;
		if (p == name)
		{
			p++;
			continue;
		}
		if (strncmp(p, "://", 3) == 0)
			p = hide_in_url(&s, name, p + 3);
		else if (secret_as_written(name, (size_t) (p - name)))
			p = hide_value(&s, p);
		else
			p = hide_in_misspelt(&s, name, p);
	}
	return s.found;
}

bool pythia_secret_mask(char *text, bool whole)
{
	size_t length = strnlen(text, MOST_TEXT_BYTES);
	size_t looks = MOST_LOOKS * (length + MOST_URL_BYTES);
	char kept = text[length];
	bool found;

	text[length] = '\0';
	found = mask(text, whole, &looks);
	text[length] = kept;
	/* no character is cut */
	while (length > 0 && kept != '\0' && (text[length] & 0x80))
		length--;
	if (kept && worth_a_look(text, whole))
	{
		memset(text + length, '*', strlen(text + length));
		found = true;
	}
	return found;
}

void pythia_secret_squeeze(char *text)
{
	char *to = text;
	size_t stars = 0;
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
	{
		stars = text[i] == '*' ? stars + 1 : 0;
		if (stars <= 3)
			*to++ = text[i];
	}
	memset(to, 0, (size_t) (text + length - to));
}

char *pythia_secret_shown(const char *word)
{
	char *shown = pythia_strdup(word);

	pythia_secret_mask(shown, true);
	pythia_secret_squeeze(shown);
	return shown;
}
