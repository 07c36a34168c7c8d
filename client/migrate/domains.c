/* Domains, between two PostgreSQLs: written anew, with what can be read of their defaults and checks. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "migrate/planner.h"

static void put_name(const planner *p, const char *schema, const char *name, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(p->target), out, planner_schema(p, schema), name);
}

pythia_catalog_domain *planner_domain(const planner *p, const char *schema, const char *name)
{
	for (int i = 0; schema != NULL && i < p->catalog->ndomains; i++)
	{
		pythia_catalog_domain *domain = &p->catalog->domains[i];

		if (domain->made && strcmp(domain->name, name) == 0 && strcmp(domain->schema, schema) == 0)
			return domain;
	}
	return NULL;
}

static const pythia_catalog_enum *find_enum(const planner *p, const char *schema, const char *name)
{
	for (int i = 0; i < p->catalog->nenums; i++)
		if (strcmp(p->catalog->enums[i].name, name) == 0 && strcmp(p->catalog->enums[i].schema, schema) == 0)
			return &p->catalog->enums[i];
	return NULL;
}

/* What its values are, beneath all domains; false where that is not carried.  Freed by the caller. */
static bool read_type(const planner *p, const pythia_catalog_domain *domain, pythia_type *type)
{
	const pythia_catalog_domain *below = planner_domain(p, domain->base_schema, domain->base_name);
	const pythia_catalog_enum *labels;

	if (domain->base_schema == NULL)
	{
		pythia_dialect_of(p->target)->parse_type(domain->base, type);
		return type->native != NULL && type->native[0] != '\0';
	}
	if (below != NULL)
		return read_type(p, below, type);
	labels = find_enum(p, domain->base_schema, domain->base_name);
	if (labels == NULL)
		return false;
	pythia_type_copy(type, &labels->labels);
	type->kind = PYTHIA_KIND_ENUM;
	return true;
}

/* The type that it is over; false where that is not carried. */
static bool put_base(const planner *p, const pythia_catalog_domain *domain, pythia_type *type, pythia_buffer *out)
{
	if (!read_type(p, domain, type))
		return false;
	if (domain->base_schema == NULL)
		pythia_buffer_puts(out, type->native);
	else
		put_name(p, domain->base_schema, domain->base_name, out);
	return true;
}

/* In a domain's check there is one column. */
static bool put_value(void *context, const char *qualifier, const char *name, pythia_buffer *out, pythia_class *found)
{
	if (qualifier != NULL || strcasecmp(name, "value") != 0)
		return false;
	pythia_buffer_puts(out, "VALUE");
	*found = pythia_class_of(context);
	return true;
}

static void leave(planner *p, const char *what, const pythia_catalog_domain *domain, const char *name, const char *why,
				  const char *text)
{
	char *shown = pythia_visible_short(text);

	planner_note(p, PYTHIA_MIGRATE_LEFT, what, domain->name, name, "%s: %s", why, shown);
	pythia_free(shown);
}

static void put_checks(planner *p, const pythia_catalog_domain *domain, pythia_type *type, pythia_buffer *sql)
{
	for (int i = 0; i < domain->nchecks; i++)
	{
		const pythia_catalog_check *check = &domain->checks[i];
		pythia_formula_target target = {.from = p->source, .to = p->target, .column = put_value, .context = type};
		pythia_buffer words = PYTHIA_BUFFER_INIT;

		if (check->not_valid)
			leave(p, "check", domain, check->name, "it does not hold of all values", check->expression);
		else if (check->expression == NULL || !pythia_formula_translate(check->expression, &target, true, &words, NULL))
			leave(p, "check", domain, check->name, target.why != NULL ? target.why : "its expression is not shown",
				  check->expression != NULL ? check->expression : "");
		else
		{
			pythia_buffer_puts(sql, " CONSTRAINT ");
			planner_put_name(p, check->name, sql);
			pythia_buffer_printf(sql, " CHECK (%s)", words.data);
		}
		pythia_buffer_free(&words);
	}
}

static void put_default(planner *p, const pythia_catalog_domain *domain, const pythia_type *type, pythia_buffer *sql)
{
	pythia_default value = {0};
	pythia_buffer words = PYTHIA_BUFFER_INIT;

	if (domain->expression == NULL)
		return;
	pythia_default_read(PYTHIA_POSTGRESQL, domain->expression, &value);
	if (pythia_default_ddl(&value, p->target, type, &words))
		pythia_buffer_printf(sql, " DEFAULT %s", words.data);
	else
		leave(p, "default", domain, domain->name, "it cannot be read", domain->expression);
	pythia_default_free(&value);
	pythia_buffer_free(&words);
}

static void make(planner *p, pythia_catalog_domain *domain)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_type type = {0};

	pythia_buffer_puts(&sql, "CREATE DOMAIN ");
	put_name(p, domain->schema, domain->name, &sql);
	pythia_buffer_puts(&sql, " AS ");
	domain->made = put_base(p, domain, &type, &sql);
	if (domain->made)
	{
		put_default(p, domain, &type, &sql);
		pythia_buffer_puts(&sql, domain->required ? " NOT NULL" : "");
		put_checks(p, domain, &type, &sql);
		planner_step(p, false, "domain", domain->name, &sql);
		planner_note(p, PYTHIA_MIGRATE_CARRIED, "domain", NULL, domain->name, NULL);
		if (domain->collation != NULL)
			planner_note(p, PYTHIA_MIGRATE_LEFT, "collation", domain->name, domain->collation,
						 "texts may sort, and be equal, otherwise");
	}
	else
		planner_note(p, PYTHIA_MIGRATE_LEFT, "domain", NULL, domain->name,
					 "the type that it is over is not carried: %s", domain->base);
	pythia_buffer_free(&sql);
	if (domain->made && domain->comment != NULL)
	{
		pythia_buffer_puts(&sql, "COMMENT ON DOMAIN ");
		put_name(p, domain->schema, domain->name, &sql);
		pythia_buffer_puts(&sql, " IS ");
		pythia_dialect_of(p->target)->plain_string(&sql, domain->comment);
		planner_step(p, false, "comment", domain->name, &sql);
	}
	pythia_type_free(&type);
}

void planner_domains(planner *p)
{
	for (int i = 0; planner_same_engine(p) && i < p->catalog->ndomains; i++)
		make(p, &p->catalog->domains[i]);
}
