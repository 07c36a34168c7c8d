#include "cli/args.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "cli/words.h"
#include "core/buffer.h"
#include "core/list.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/secret.h"
#include "core/suggest.h"

const cli_option cli_common_options[] = {
	{"json", 0, CLI_FLAG, NULL, "write results as JSON, one object a line", NULL, NULL},
	{"quiet", 'q', CLI_FLAG, NULL, "no progress and no summary, errors only", NULL, NULL},
	{"no-color", 0, CLI_FLAG, NULL, "no colour even on a terminal (as NO_COLOR does)", NULL, NULL},
	{"help", 'h', CLI_FLAG, NULL, "show this help", NULL, NULL},
	{NULL}};

static const cli_option *find_option(const cli_command *command, const char *name, size_t length, char letter)
{
	for (int s = 0; command->sets[s] != NULL; s++)
		for (const cli_option *o = command->sets[s]; o->name != NULL; o++)
		{
			if (letter != 0 ? o->letter == letter : (strlen(o->name) == length && strncmp(o->name, name, length) == 0))
				return o;
		}
	return NULL;
}

static bool unknown_option(const cli_command *command, const char *word, size_t length, pythia_error *error)
{
	const char *names[128];
	int n = 0;
	char *name = pythia_strndup(word, length);
	const char *near;

	for (int s = 0; command->sets[s] != NULL; s++)
		for (const cli_option *o = command->sets[s]; o->name != NULL && n < 127; o++)
			names[n++] = o->name;
	near = pythia_suggest(name, names, n);
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown option --%s", name);
	if (near != NULL)
		pythia_error_hint(error, "Did you mean --%s?  See \"pythia %s --help\".", near, command->name);
	else
		pythia_error_hint(error, "See \"pythia %s --help\".", command->name);
	pythia_free(name);
	return false;
}

static bool whole_number(const char *text)
{
	int64_t number;

	return pythia_whole_number(text, INT64_C(999999999999999999), &number);
}

static void does_not_fit(const cli_option *option, const char *text, const char *why, pythia_error *error)
{
	char *shown = pythia_secret_shown(text);

	pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s: \"%s\" %s", option->name, shown, why);
	pythia_free(shown);
}

static bool check_value(const cli_option *option, const char *text, pythia_error *error)
{
	double number;
	char *end;

	switch (option->type)
	{
		case CLI_INT:
			if (whole_number(text))
				return true;
			does_not_fit(option, text, "is not a whole number", error);
			return pythia_error_hint(error, "Give a number of 0 or more, such as --%s 1000.", option->name);
		case CLI_LIMIT:
			if (whole_number(text) || strcmp(text, "-1") == 0)
				return true;
			does_not_fit(option, text, "is not a whole number", error);
			return pythia_error_hint(error, "Give a number of 0 or more, or -1 for no limit.");
		case CLI_SECONDS:
			if (pythia_seconds_read(text, &number))
				return true;
			does_not_fit(option, text, "is not a duration", error);
			return pythia_error_hint(error, "Give seconds, or a number with a unit: 500ms, 2s, 5min, 1h.");
		case CLI_NUMBER:
			number = strtod(text, &end);
			if (end != text && *end == '\0' && number >= 0)
				return true;
			does_not_fit(option, text, "is not a number", error);
			return pythia_error_hint(error, "Give a number such as 0.1.");
		case CLI_CHOICE:
		{
			pythia_buffer list = PYTHIA_BUFFER_INIT;

			for (int i = 0; option->choices[i] != NULL; i++)
			{
				if (strcmp(option->choices[i], text) == 0)
				{
					pythia_buffer_free(&list);
					return true;
				}
				pythia_buffer_printf(&list, "%s%s", i > 0 ? ", " : "", option->choices[i]);
			}
			does_not_fit(option, text, "is not a value of it", error);
			pythia_error_hint(error, "It takes one of: %s.", pythia_buffer_text(&list));
			pythia_buffer_free(&list);
			return false;
		}
		case CLI_LIST:
		case CLI_MAP:
		case CLI_TEXT:
		case CLI_FILE:
		case CLI_URL:
			if (*text != '\0')
				return true;
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s: the value is empty", option->name);
			return pythia_error_hint(error, "Give a value after --%s, or leave the option out.", option->name);
		case CLI_FLAG:
		case CLI_NOT:
			break;
	}
	return true;
}

static bool set_value(cli_args *args, const cli_option *option, const char *text, pythia_error *error)
{
	if (text != NULL && !check_value(option, text, error))
		return false;
	for (int i = 0; i < args->nvalues; i++)
	{
		cli_value *value = &args->values[i];
		char *old = value->text;

		if (value->option != option)
			continue;
		if (option->type == CLI_LIST || option->type == CLI_MAP)
		{
			pythia_buffer joined = PYTHIA_BUFFER_INIT;

			pythia_buffer_printf(&joined, "%s,%s", old, text);
			value->text = pythia_buffer_take(&joined);
		}
		else
			value->text = pythia_strdup(text);
		pythia_free(old);
		return true;
	}
	args->values = pythia_realloc(args->values, sizeof(cli_value) * (size_t) (args->nvalues + 1));
	args->values[args->nvalues].option = option;
	args->values[args->nvalues].text = pythia_strdup(text);
	args->nvalues++;
	return true;
}

static void add_operand(cli_args *args, const char *text)
{
	args->operands = pythia_realloc(args->operands, sizeof(char *) * (size_t) (args->noperands + 1));
	args->operands[args->noperands++] = pythia_strdup(text);
}

/* One word that begins with a dash; *i moves over a value of its own. */
static bool parse_option(cli_args *args, int argc, char **argv, int *i, pythia_error *error)
{
	const char *word = argv[*i];
	const char *value = NULL;
	const cli_option *option;

	if (word[1] == '-')
	{
		const char *name = word + 2;
		size_t length = strcspn(name, "=");

		option = find_option(args->command, name, length, 0);
		if (option == NULL)
			return unknown_option(args->command, name, length, error);
		if (name[length] == '=')
			value = name + length + 1;
	}
	else
	{
		option = find_option(args->command, "", 0, word[1]);
		if (option == NULL)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown option -%c", word[1]);
			return pythia_error_hint(error, "See \"pythia %s --help\".", args->command->name);
		}
		if (word[2] != '\0')
			value = word + 2;
	}
	if (option->type == CLI_FLAG || option->type == CLI_NOT)
	{
		if (value != NULL)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s takes no value", option->name);
			return pythia_error_hint(error, "Write --%s alone.", option->name);
		}
		if (strcmp(option->name, "help") == 0)
			args->help = true;
		return set_value(args, option, NULL, error);
	}
	if (value == NULL)
	{
		if (*i + 1 >= argc)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s needs a value", option->name);
			return pythia_error_hint(error, "Write --%s %s.", option->name, option->metavar);
		}
		value = argv[++*i];
	}
	return set_value(args, option, value, error);
}

bool cli_args_parse(const cli_command *command, int argc, char **argv, cli_args *args, pythia_error *error)
{
	bool options = true;

	memset(args, 0, sizeof(*args));
	args->command = command;
	for (int i = 0; i < argc; i++)
	{
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1] != '\0')
		{
			if (!parse_option(args, argc, argv, &i, error))
				return false;
		}
		else
			add_operand(args, argv[i]);
	}
	if (args->help)
		return true;
	if (args->noperands < command->min_operands)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "too few arguments for \"pythia %s\"", command->name);
		return pythia_error_hint(error, "Usage: pythia %s %s", command->name, command->operands);
	}
	if (args->noperands > command->max_operands)
	{
		char *shown = pythia_secret_shown(args->operands[command->max_operands]);

		pythia_fail(error, PYTHIA_E_USAGE, "22023", "unexpected argument \"%s\"", shown);
		pythia_free(shown);
		return pythia_error_hint(error, "Usage: pythia %s %s", command->name, command->operands);
	}
	return true;
}

void cli_args_free(cli_args *args)
{
	for (int i = 0; i < args->nvalues; i++)
		pythia_free(args->values[i].text);
	pythia_free(args->values);
	pythia_list_free(args->operands, args->noperands);
	memset(args, 0, sizeof(*args));
}

static const cli_value *find_value(const cli_args *args, const char *name)
{
	assert(find_option(args->command, name, strlen(name), 0) != NULL);
	for (int i = 0; i < args->nvalues; i++)
		if (strcmp(args->values[i].option->name, name) == 0)
			return &args->values[i];
	return NULL;
}

bool cli_given(const cli_args *args, const char *name)
{
	return find_value(args, name) != NULL;
}

void cli_set_text(cli_args *args, const char *name, const char *text)
{
	for (int i = 0; i < args->nvalues; i++)
		if (strcmp(args->values[i].option->name, name) == 0)
		{
			pythia_free(args->values[i].text);
			args->values[i].text = pythia_strdup(text);
		}
}

const char *cli_text(const cli_args *args, const char *name, const char *otherwise)
{
	const cli_value *value = find_value(args, name);

	return value != NULL ? value->text : otherwise;
}

double cli_seconds(const cli_args *args, const char *name, double otherwise)
{
	const cli_value *value = find_value(args, name);

	if (value != NULL)
		pythia_seconds_read(value->text, &otherwise);
	return otherwise;
}

/* The tree of one value; NULL after an error. */
static pythia_node *value_node(const cli_value *value, pythia_error *error)
{
	const cli_option *option = value->option;
	pythia_node *node = NULL;
	char **items;
	int count;

	switch (option->type)
	{
		case CLI_FLAG:
			return pythia_node_new(PYTHIA_NODE_BOOL, option->key, "true");
		case CLI_NOT:
			return pythia_node_new(PYTHIA_NODE_BOOL, option->key, "false");
		case CLI_INT:
		case CLI_LIMIT:
		case CLI_NUMBER:
			return pythia_node_new(PYTHIA_NODE_NUMBER, option->key, value->text);
		case CLI_LIST:
		case CLI_MAP:
			items = pythia_list_split(value->text, &count);
			node =
				pythia_node_new(option->type == CLI_LIST ? PYTHIA_NODE_ARRAY : PYTHIA_NODE_OBJECT, option->key, NULL);
			for (int i = 0; i < count; i++)
			{
				char *equals = strchr(items[i], '=');

				if (option->type == CLI_LIST)
					pythia_node_add(node, pythia_node_new(PYTHIA_NODE_STRING, NULL, items[i]));
				else if (equals == NULL || equals == items[i] || equals[1] == '\0')
				{
					pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s: \"%s\" is not a pair", option->name, items[i]);
					pythia_error_hint(error, "Write pairs as here=there, with commas between them.");
					pythia_node_free(node);
					node = NULL;
					break;
				}
				else
				{
					*equals = '\0';
					pythia_node_add(node, pythia_node_new(PYTHIA_NODE_STRING, items[i], equals + 1));
				}
			}
			pythia_list_free(items, count);
			return node;
		default:
			return pythia_node_new(PYTHIA_NODE_STRING, option->key, value->text);
	}
}

pythia_node *cli_option_tree(const cli_args *args, const cli_option *set, pythia_node *base, pythia_error *error)
{
	if (base == NULL)
		base = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	for (const cli_option *o = set; o->name != NULL; o++)
	{
		const cli_value *value = o->key != NULL ? find_value(args, o->name) : NULL;
		pythia_node *node;

		if (value == NULL)
			continue;
		node = value_node(value, error);
		if (node == NULL)
		{
			pythia_node_free(base);
			return NULL;
		}
		pythia_node_free(pythia_node_remove(base, o->key));
		pythia_node_add(base, node);
	}
	return base;
}

void cli_warn_idle(void *args, const char *option, const char *why)
{
	const char *flag = cli_flag_given(option);

	(void) args;
	if (flag != NULL)
		cli_warn("--%s has no effect: %s", flag, why);
	else
		cli_warn("option \"%s\" has no effect: %s", option, why);
}
