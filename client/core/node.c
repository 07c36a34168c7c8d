#include "core/node.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buffer.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/suggest.h"

pythia_node *pythia_node_new(pythia_node_type type, const char *name, const char *text)
{
	pythia_node *node = pythia_calloc(1, sizeof(*node));

	node->type = type;
	node->name = pythia_strdup(name);
	node->text = pythia_strdup(text);
	return node;
}

void pythia_node_add(pythia_node *parent, pythia_node *child)
{
	*(parent->last ? &parent->last->next : &parent->children) = child;
	parent->last = child;
}

void pythia_node_free(pythia_node *node)
{
	while (node)
	{
		pythia_node *next = node->next;

		pythia_node_free(node->children);
		pythia_free(node->name);
		pythia_free(node->text);
		pythia_free(node);
		node = next;
	}
}

pythia_node *pythia_node_copy(const pythia_node *node)
{
	pythia_node *copy = node ? pythia_node_new(node->type, node->name, node->text) : NULL;

	for (const pythia_node *child = node ? node->children : NULL; child; child = child->next)
		pythia_node_add(copy, pythia_node_copy(child));
	return copy;
}

const pythia_node *pythia_node_members(const pythia_node *node)
{
	return node && node->type == PYTHIA_NODE_OBJECT ? node->children : NULL;
}

const pythia_node *pythia_node_items(const pythia_node *node)
{
	return node && node->type == PYTHIA_NODE_ARRAY ? node->children : NULL;
}

bool pythia_node_texts(const pythia_node *node)
{
	for (const pythia_node *item = pythia_node_items(node); item; item = item->next)
		if (item->type != PYTHIA_NODE_STRING || !item->text[0])
			return false;
	return node && node->type == PYTHIA_NODE_ARRAY;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* A name, or a text, that two of these nodes have; NULL where each is another. */
static const char *twice(const pythia_node *first, bool names)
{
	const char *found = NULL;
	const char **sorted;
	size_t count = 0;

	for (const pythia_node *node = first; node; node = node->next)
		count++;
	if (count < 2)
		return NULL;
	sorted = pythia_calloc(count, sizeof(char *));
	count = 0;
	for (const pythia_node *node = first; node; node = node->next)
		sorted[count++] = names ? node->name : node->text;
	qsort(sorted, count, sizeof(char *), by_text);
	for (size_t i = 1; i < count && !found; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			found = sorted[i];
	pythia_free(sorted);
	return found;
}

const char *pythia_node_twice(const pythia_node *texts)
{
	return twice(pythia_node_items(texts), false);
}

const char *pythia_node_name_twice(const pythia_node *object)
{
	return twice(pythia_node_members(object), true);
}

pythia_node *pythia_node_remove(pythia_node *object, const char *name)
{
	pythia_node *before = NULL;

	if (object->type != PYTHIA_NODE_OBJECT)
		return NULL;
	for (pythia_node *child = object->children; child; before = child, child = child->next)
	{
		if (strcmp(child->name, name) != 0)
			continue;
		*(before ? &before->next : &object->children) = child->next;
		if (object->last == child)
			object->last = before;
		child->next = NULL;
		return child;
	}
	return NULL;
}

const pythia_node *pythia_node_get(const pythia_node *object, const char *name)
{
	const pythia_node *found = NULL;

	/* what is added later, in place of what was there, counts; JSON that is read has each name once */
	for (const pythia_node *child = pythia_node_members(object); child; child = child->next)
		if (strcmp(child->name, name) == 0)
			found = child;
	return found;
}

/* The node of a name that is present and not null. */
static const pythia_node *given(const pythia_node *object, const char *name)
{
	const pythia_node *node = pythia_node_get(object, name);

	return node && node->type != PYTHIA_NODE_NULL ? node : NULL;
}

static bool bad_value(pythia_error *error, const char *name, const pythia_node *node, const char *takes)
{
	if (node->type == PYTHIA_NODE_ARRAY)
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\": a list", name);
	else if (node->type == PYTHIA_NODE_OBJECT)
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\": an object", name);
	else
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\": \"%s\"", name,
					node->text ? node->text : "");
	return pythia_error_hint(error, "It takes %s.", takes);
}

bool pythia_node_text(const pythia_node *object, const char *name, const char **value, pythia_error *error)
{
	const pythia_node *node = given(object, name);

	if (!node)
		return true;
	if (node->type != PYTHIA_NODE_STRING)
		return bad_value(error, name, node, "a text");
	*value = node->text;
	return true;
}

bool pythia_bool_read(const char *text, bool *value)
{
	static const char *const yes[] = {"true", "on", "yes", "1"};
	static const char *const no[] = {"false", "off", "no", "0"};

	for (int i = 0; i < 4; i++)
	{
		*value = strcasecmp(text, yes[i]) == 0;
		if (*value || strcasecmp(text, no[i]) == 0)
			return true;
	}
	return false;
}

bool pythia_node_bool(const pythia_node *object, const char *name, bool *value, pythia_error *error)
{
	const pythia_node *node = given(object, name);

	return !node || (node->text && pythia_bool_read(node->text, value)) ||
		   bad_value(error, name, node, "true or false");
}

bool pythia_node_int(const pythia_node *object, const char *name, int64_t minimum, int64_t maximum, int64_t *value,
					 pythia_error *error)
{
	const pythia_node *node = given(object, name);
	pythia_buffer takes = PYTHIA_BUFFER_INIT;
	int64_t parsed;

	if (!node)
		return true;
	if ((node->type == PYTHIA_NODE_NUMBER || node->type == PYTHIA_NODE_STRING) && node->text && node->text[0] != '+' &&
		pythia_int64_read(node->text, strlen(node->text), &parsed) && parsed >= minimum && parsed <= maximum)
	{
		*value = parsed;
		return true;
	}
	if (maximum == INT64_MAX)
		pythia_buffer_printf(&takes, "a whole number of at least %lld", (long long) minimum);
	else
		pythia_buffer_printf(&takes, "a whole number from %lld to %lld", (long long) minimum, (long long) maximum);
	bad_value(error, name, node, pythia_buffer_text(&takes));
	pythia_buffer_free(&takes);
	return false;
}

static const struct
{
	const char *name;
	double seconds;
} units[] = {
	{"us", 1e-6},
	{"microsecond", 1e-6},
	{"microseconds", 1e-6},
	{"ms", 1e-3},
	{"millisecond", 1e-3},
	{"milliseconds", 1e-3},
	{"s", 1},
	{"sec", 1},
	{"secs", 1},
	{"second", 1},
	{"seconds", 1},
	{"m", 60},
	{"min", 60},
	{"mins", 60},
	{"minute", 60},
	{"minutes", 60},
	{"h", 3600},
	{"hour", 3600},
	{"hours", 3600},
	{"d", 86400},
	{"day", 86400},
	{"days", 86400},
	{"w", 604800},
	{"week", 604800},
	{"weeks", 604800},
};

/* Of a number, as JSON and printf may write it: 1e-06.  Else the letter belongs to a unit, or to nothing. */
static int read_exponent(const char **text)
{
	const char *p = *text;
	bool negative;
	int exponent = 0;

	if (*p != 'e' && *p != 'E')
		return 0;
	p++;
	negative = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	if (!isdigit((unsigned char) *p))
		return 0;
	for (; isdigit((unsigned char) *p); p++)
		exponent = exponent < 1000 ? exponent * 10 + (*p - '0') : exponent;
	*text = p;
	return negative ? -exponent : exponent;
}

/* A decimal number without sign, whatever the locale. */
static bool read_number(const char **text, double *value)
{
	const char *p = *text;
	double scale = 1;
	bool digits = false;
	int exponent;

	*value = 0;
	for (; isdigit((unsigned char) *p); p++, digits = true)
		*value = *value * 10 + (*p - '0');
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++, digits = true)
			*value += (*p - '0') * (scale /= 10);
	exponent = digits ? read_exponent(&p) : 0;
	for (; exponent > 0 && *value < 1e300; exponent--)
		*value *= 10;
	for (; exponent < 0 && *value > 0; exponent++)
		*value /= 10;
	*text = p;
	return digits;
}

/* "HH:MM:SS[.fff]" or "HH:MM", as PostgreSQL writes intervals; the hours are read already. */
static bool read_clock(const char **text, double hours, double *seconds)
{
	double part;

	*seconds = hours * 3600;
	(*text)++;
	if (!read_number(text, &part) || part >= 60)
		return false;
	*seconds += part * 60;
	if (**text != ':')
		return true;
	(*text)++;
	if (!read_number(text, &part) || part >= 61)
		return false;
	*seconds += part;
	return true;
}

/* Thirty thousand years: what is reckoned with it, in microseconds, stays within its range. */
#define MOST_SECONDS 1e12

bool pythia_seconds_read(const char *text, double *seconds)
{
	bool any = false;

	*seconds = 0;
	for (;;)
	{
		double number;
		const char *unit;
		size_t length;
		bool known = false;

		while (isspace((unsigned char) *text))
			text++;
		if (*text == '\0')
			return any && fabs(*seconds) <= MOST_SECONDS;
		if (!read_number(&text, &number))
			return false;
		if (*text == ':')
		{
			if (!read_clock(&text, number, &number))
				return false;
			*seconds += number;
			any = true;
			continue;
		}
		while (isspace((unsigned char) *text))
			text++;
		unit = text;
		while (isalpha((unsigned char) *text))
			text++;
		length = (size_t) (text - unit);
		if (length == 0) /* bare seconds, and only alone */
		{
			*seconds = number;
			return !any && *text == '\0' && fabs(number) <= MOST_SECONDS;
		}
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && !known; i++)
			if (strlen(units[i].name) == length && strncasecmp(units[i].name, unit, length) == 0)
			{
				*seconds += number * units[i].seconds;
				known = true;
			}
		if (!known)
			return false;
		any = true;
	}
}

bool pythia_node_seconds(const pythia_node *object, const char *name, double *value, pythia_error *error)
{
	const pythia_node *node = given(object, name);
	double seconds;

	if (!node)
		return true;
	if ((node->type != PYTHIA_NODE_NUMBER && node->type != PYTHIA_NODE_STRING) || !node->text ||
		!pythia_seconds_read(node->text, &seconds))
		return bad_value(error, name, node,
						 "a number of seconds or a time such as \"500 ms\", \"2 s\", \"5 min\", \"1 h\" or \"1 day\"");
	*value = seconds;
	return true;
}

bool pythia_node_choice(const pythia_node *object, const char *name, const char *const *choices, int *value,
						pythia_error *error)
{
	const pythia_node *node = given(object, name);
	pythia_buffer takes = PYTHIA_BUFFER_INIT;

	if (!node)
		return true;
	for (int i = 0; choices[i]; i++)
		if (node->type == PYTHIA_NODE_STRING && strcmp(node->text, choices[i]) == 0)
		{
			*value = i;
			return true;
		}
	for (int i = 0; choices[i]; i++)
		pythia_buffer_printf(&takes, "%s\"%s\"", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
	bad_value(error, name, node, pythia_buffer_text(&takes));
	pythia_buffer_free(&takes);
	return false;
}

bool pythia_node_lists(const pythia_node *list, const char *text)
{
	for (const pythia_node *item = pythia_node_items(list); item; item = item->next)
		if (strcmp(item->text, text) == 0)
			return true;
	return false;
}

bool pythia_node_only(const pythia_node *object, const char *const *known, const char *what, pythia_error *error)
{
	int nknown = 0;
	const char *close;

	if (!object || object->type == PYTHIA_NODE_NULL)
		return true;
	if (object->type != PYTHIA_NODE_OBJECT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "%ss must be given as a JSON object", what);
		return pythia_error_hint(error, "Write it as '{\"name\": value, ...}'.");
	}
	while (known[nknown])
		nknown++;
	for (const pythia_node *child = pythia_node_members(object); child; child = child->next)
	{
		bool found = false;

		for (int i = 0; i < nknown && !found; i++)
			found = strcmp(child->name, known[i]) == 0;
		if (found)
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown %s \"%s\"", what, child->name);
		close = pythia_suggest(child->name, known, nknown);
		if (close)
			return pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
		else
		{
			pythia_buffer list = PYTHIA_BUFFER_INIT;

			for (int i = 0; i < nknown; i++)
				pythia_buffer_printf(&list, "%s%s", i ? ", " : "", known[i]);
			pythia_error_hint(error, "Known options are: %s.", pythia_buffer_text(&list));
			pythia_buffer_free(&list);
			return false;
		}
	}
	return true;
}
