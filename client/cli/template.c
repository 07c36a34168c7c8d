#include "cli/template.h"

#include <string.h>

#include "core/memory.h"
#include "core/text.h"

void cli_variable_set(cli_variables *variables, const char *name, char *value)
{
	variables->items[variables->count].name = name;
	variables->items[variables->count].value = value;
	variables->count++;
}

bool cli_variables_check(const cli_variables *variables, pythia_error *error)
{
	for (int i = 0; i < variables->count; i++)
		for (const char *p = variables->items[i].value; *p != '\0'; p++)
			if (pythia_is_control(*p))
			{
				pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"%s\" holds a control character",
							variables->items[i].value);
				return pythia_error_hint(error, "The files of a folder take no such name; write them by hand.");
			}
	for (int i = 0; i < variables->ntables; i++)
		if (!cli_variables_check(&variables->tables[i], error))
			return false;
	return true;
}

void cli_variables_free(cli_variables *variables)
{
	for (int i = 0; i < variables->count; i++)
		pythia_free(variables->items[i].value);
	for (int i = 0; i < variables->ntables; i++)
		cli_variables_free(&variables->tables[i]);
	pythia_free(variables->tables);
	memset(variables, 0, sizeof(*variables));
}

static const char *find(const cli_variables *variables, const char *name, size_t length)
{
	for (; variables != NULL; variables = variables->parent)
		for (int i = 0; i < variables->count; i++)
			if (strlen(variables->items[i].name) == length && strncmp(variables->items[i].name, name, length) == 0)
				return variables->items[i].value;
	return NULL;
}

/* The mark that ends the section of `name` (the same name does not nest). */
static const char *section_end(const char *text, const char *name, size_t length)
{
	for (const char *p = strstr(text, "{{/"); p != NULL; p = strstr(p + 3, "{{/"))
		if (strncmp(p + 3, name, length) == 0 && strncmp(p + 3 + length, "}}", 2) == 0)
			return p;
	return NULL;
}

static const char *after_line_end(const char *text)
{
	return *text == '\n' ? text + 1 : text;
}

static bool render(const char *text, const char *end, const cli_variables *variables, pythia_buffer *out)
{
	while (text < end)
	{
		const char *mark = strstr(text, "{{");
		const char *name;
		const char *close;
		const char *value;
		size_t length;

		if (mark == NULL || mark >= end)
		{
			pythia_buffer_append(out, text, (size_t) (end - text));
			return true;
		}
		pythia_buffer_append(out, text, (size_t) (mark - text));
		name = mark + 2;
		close = strstr(name, "}}");
		if (close == NULL)
			return false;
		if (*name == '#' || *name == '^')
		{
			bool wanted = *name == '#';
			const char *body = after_line_end(close + 2);
			const char *stop;

			name++;
			length = (size_t) (close - name);
			stop = section_end(body, name, length);
			if (stop == NULL)
				return false;
			if (length == 6 && strncmp(name, "tables", 6) == 0)
			{
				const cli_variables *root = variables;

				while (root->parent != NULL)
					root = root->parent;
				for (int i = 0; i < root->ntables; i++)
					if (!render(body, stop, &root->tables[i], out))
						return false;
			}
			else
			{
				value = find(variables, name, length);
				if (value == NULL)
					return false;
				if ((*value != '\0') == wanted && !render(body, stop, variables, out))
					return false;
			}
			text = after_line_end(stop + 3 + length + 2);
			continue;
		}
		length = (size_t) (close - name);
		value = find(variables, name, length);
		if (value == NULL)
			return false;
		pythia_buffer_puts(out, value);
		text = close + 2;
	}
	return true;
}

bool cli_template_render(const char *text, const cli_variables *variables, pythia_buffer *out)
{
	return render(text, text + strlen(text), variables, out);
}
