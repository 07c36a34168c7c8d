/* The files of a plan: statements, and the report. */
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/dialect.h"
#include "migrate/plan.h"

/* --- statements --------------------------------------------------------------------------------- */

/* What a session of whoever runs the file has to be like for the statements to mean what they say. */
static void put_settings(const pythia_db *target, bool after, pythia_buffer *out)
{
	switch (target->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
									"SET search_path = '';\nSET client_min_messages = warning;\n\n");
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out, "SET NAMES utf8mb4;\nSET SESSION sql_mode = "
									"'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO';\n"
									"SET SESSION time_zone = '+00:00';\n\n");
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, "PRAGMA foreign_keys = OFF;\n\n%s", after ? "" : "");
			break;
	}
}

void pythia_migrate_put_sql(const pythia_migrate_plan *plan, const pythia_db *target, bool after, pythia_buffer *out)
{
	pythia_buffer_printf(out, "-- Made by pythia migrate: %s\n",
						 after ? "what comes when the rows are there" : "what comes before the rows");
	put_settings(target, after, out);
	for (int i = 0; i < plan->nsteps; i++)
		if (plan->steps[i].after == after)
			pythia_buffer_printf(out, "%s;\n", plan->steps[i].sql);
	if (after && target->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(out, "\n-- rows that refer to none, if there are any\nPRAGMA foreign_key_check;\n");
}

/* --- the report ------------------------------------------------------------------------------------ */

/* A name or a text from elsewhere, as a piece of code that nothing within it can end. */
static void put_code(pythia_buffer *out, const char *text)
{
	pythia_buffer shown = PYTHIA_BUFFER_INIT;
	bool ticks = strchr(text, '`') != NULL;

	pythia_visible(&shown, text, strlen(text));
	pythia_buffer_printf(out, ticks ? "<code>" : "`");
	for (const char *at = pythia_buffer_text(&shown); *at != '\0'; at++)
	{
		if (ticks && *at == '<')
			pythia_buffer_puts(out, "&lt;");
		else if (ticks && *at == '&')
			pythia_buffer_puts(out, "&amp;");
		else if (ticks && strchr("`*_[]\\|", *at) != NULL)
			pythia_buffer_printf(out, "&#%d;", *at);
		else
			pythia_buffer_putc(out, *at);
	}
	pythia_buffer_printf(out, ticks ? "</code>" : "`");
	pythia_buffer_free(&shown);
}

/* What a reason says beside our own words comes from a server. */
static void put_words(pythia_buffer *out, const char *text)
{
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	pythia_visible(&shown, text, strlen(text));
	for (const char *at = pythia_buffer_text(&shown); *at != '\0'; at++)
	{
		if (*at == '<')
			pythia_buffer_puts(out, "&lt;");
		else
		{
			if (strchr("`*_[]\\|", *at) != NULL)
				pythia_buffer_putc(out, '\\');
			pythia_buffer_putc(out, *at);
		}
	}
	pythia_buffer_free(&shown);
}

static void put_note(pythia_buffer *out, const pythia_migrate_note *note)
{
	pythia_buffer_printf(out, "- %s", note->what);
	if (note->name != NULL)
	{
		pythia_buffer_putc(out, ' ');
		put_code(out, note->name);
	}
	if (note->table != NULL)
	{
		pythia_buffer_puts(out, " of ");
		put_code(out, note->table);
	}
	if (note->why != NULL)
	{
		pythia_buffer_puts(out, ": ");
		put_words(out, note->why);
	}
	pythia_buffer_putc(out, '\n');
}

static void put_section(const pythia_migrate_plan *plan, pythia_migrate_fate fate, const char *title,
						const char *nothing, pythia_buffer *out)
{
	int count = pythia_migrate_count(plan, fate);

	pythia_buffer_printf(out, "\n## %s\n\n", title);
	if (count == 0)
		pythia_buffer_printf(out, "%s\n", nothing);
	for (int i = 0; i < plan->nnotes; i++)
		if (plan->notes[i].fate == fate)
			put_note(out, &plan->notes[i]);
}

void pythia_migrate_put_report(const pythia_migrate_plan *plan, const pythia_db *source, const pythia_db *target,
							   pythia_buffer *out)
{
	pythia_buffer_puts(out, "# Migration\n\nFrom ");
	put_code(out, source->display != NULL ? source->display : "this database");
	pythia_buffer_printf(out, " (%s) to ", source->version_text);
	put_code(out, target->display != NULL ? target->display : "this database");
	pythia_buffer_printf(out, " (%s): %d carried as they are, %d changed, %d not carried.\n", target->version_text,
						 pythia_migrate_count(plan, PYTHIA_MIGRATE_CARRIED),
						 pythia_migrate_count(plan, PYTHIA_MIGRATE_CHANGED),
						 pythia_migrate_count(plan, PYTHIA_MIGRATE_LEFT));
	put_section(plan, PYTHIA_MIGRATE_LEFT, "Not carried", "Nothing is left behind.", out);
	put_section(plan, PYTHIA_MIGRATE_CHANGED, "Changed", "Nothing is changed.", out);
	put_section(plan, PYTHIA_MIGRATE_CARRIED, "Carried", "Nothing is carried.", out);
}
