/* What a validation compares: columns and their agreed types, rows, and what tells a row. */
#include "sync/condition.h"
#include "sync/soft.h"
#include "sync/watermark.h"
#include "validate/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/tokens.h"
#include "core/stamp.h"

static void and_text(pythia_buffer *filter, const char *condition)
{
	pythia_and(filter);
	pythia_condition_put(filter, condition);
}

/* --- a table without a key -------------------------------------------------- */

static bool listed(const pythia_node *list, const char *name)
{
	if (list == NULL)
		return false;
	if (list->type != PYTHIA_NODE_ARRAY)
		return list->text != NULL && strcasecmp(list->text, name) == 0;
	for (const pythia_node *node = pythia_node_items(list); node != NULL; node = node->next)
	{
		if (strcasecmp(node->text, name) == 0)
			return true;
	}
	return false;
}

/* Every column that is compared, as the option "key" would name them. */
static bool whole_row_key(pythia_validation_state *v, pythia_node **key, pythia_error *error)
{
	const pythia_sync_config *config = &v->config;
	pythia_table table = {0};

	if (!pythia_describe(v->job->source, v->job->table, &table, error))
		return false;
	*key = pythia_node_new(PYTHIA_NODE_ARRAY, "key", NULL);
	for (int i = 0; i < table.ncolumns; i++)
	{
		const char *name = table.columns[i].name;

		if (!table.columns[i].generated && (config->columns == NULL || listed(config->columns, name)) &&
			!listed(config->exclude_columns, name))
			pythia_node_add(*key, pythia_node_new(PYTHIA_NODE_STRING, NULL, name));
	}
	pythia_table_free(&table);
	return true;
}

/* Columns that the target lacks cannot be equal there, unless the sync leaves them out on purpose. */
static bool all_columns_there(const pythia_validation_state *v, pythia_error *error)
{
	const pythia_sync_config *config = v->job->config;

	for (int i = 0; i < v->plan.nunmatched; i++)
	{
		const char *name = v->plan.source.columns[v->plan.unmatched[i]].name;

		if (config->new_columns == PYTHIA_NEW_COLUMNS_IGNORE || !config->create_target)
			pythia_host_log(v->job->target->host, PYTHIA_LOG_NOTICE,
							"column \"%s\" of table \"%s\" has no counterpart in the target and is left out", name,
							v->plan.source.name);
		else
		{
			pythia_fail(error, PYTHIA_E_USAGE, "42703", "target table \"%s\" has no column for \"%s\"",
						v->plan.target.name, name);
			return pythia_error_hint(error, "Synchronise it, map it in column_map, or leave it out by exclude_columns "
											"or new_columns \"ignore\".");
		}
	}
	return true;
}

static bool make_plan(pythia_validation_state *v, pythia_error *error)
{
	pythia_sync_job job = *v->job;
	bool ok;

	v->config = *v->job->config;
	v->config.mode = PYTHIA_SYNC_FULL;
	v->config.conflict = PYTHIA_CONFLICT_SOURCE_WINS;
	v->config.create_target = false;
	v->config.timestamp_given = false;
	v->config.truncate_target = false;
	job.config = &v->config;
	if (pythia_plan_make(&job, &v->plan, error))
		return true;
	if (strcmp(error->sqlstate, "42P16") != 0)
		return false;
	pythia_error_reset(error);
	if (!whole_row_key(v, &v->own_key, error))
		return false;
	v->config.key = v->own_key;
	v->keyless = true;
	ok = pythia_plan_make(&job, &v->plan, error);
	return ok;
}

/* --- what tells a row -------------------------------------------------------- */

static bool is_integer_key(const pythia_side *side, const pythia_column *column)
{
	if (column->type.kind != PYTHIA_KIND_INT && column->type.kind != PYTHIA_KIND_UINT)
		return false;
	/* elsewhere SQLite's columns hold whatever they are given */
	if (side->db->engine == PYTHIA_SQLITE)
		return column->identity;
	return pythia_side_never_null(side, column);
}

/* Kinds whose text, written as a literal, finds the row that it came from. */
static bool finds_its_row(pythia_kind kind)
{
	switch (kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_DATE:
		case PYTHIA_KIND_TIME:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
		case PYTHIA_KIND_UUID:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_STORED:
			return true;
		default:
			return false;
	}
}

static void choose_identity(pythia_validation_state *v)
{
	const pythia_plan *plan = &v->plan;

	v->by_range = !v->keyless && is_integer_key(&v->sides[0], pythia_pair_source(plan, plan->key[0])) &&
				  is_integer_key(&v->sides[1], pythia_pair_target(plan, plan->key[0]));
	v->by_literal = !v->keyless;
	v->backward = pythia_calloc((size_t) plan->nkey, sizeof(pythia_transform));
	for (int i = 0; i < plan->nkey; i++)
	{
		const pythia_column *columns[2] = {pythia_pair_source(plan, plan->key[i]),
										   pythia_pair_target(plan, plan->key[i])};
		static const pythia_policies none;

		for (int side = 0; side < 2; side++)
			v->by_literal = v->by_literal && finds_its_row(columns[side]->type.kind) &&
							(!columns[side]->nullable || v->sides[side].db->engine == PYTHIA_SQLITE);
		pythia_transform_init(&v->backward[i], &columns[1]->type, v->sides[1].db->engine, &columns[0]->type,
							  v->sides[0].db->engine, &none, false);
	}
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];

		s->dialect->identifier(&s->first, s->items[0].column->name);
		if (v->by_range && plan->nkey == 1)
			pythia_canonical_text(s->db, &s->identity, &s->items[0]);
		else
			pythia_canonical_digest(s->db, &s->identity, s->items, plan->nkey, v->digest);
	}
}

/* --- rows --------------------------------------------------------------------- */

static bool and_translated(pythia_validation_state *v, const char *condition, pythia_error *error)
{
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = condition == NULL || pythia_condition_translate(&v->plan, v->sides[PYTHIA_SOURCE].db->engine,
															  target->db->engine, condition, &text, error);

	if (ok && condition != NULL)
		and_text(&target->filter, text.data);
	pythia_buffer_free(&text);
	return ok;
}

static bool ask_condition(pythia_side *side, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT 1 FROM %s%s LIMIT 0", side->name.data, side->filter.data);
	ok = pythia_db_any(side->db, sql.data, &any, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* The source's conditions, as the target can understand them; asked at once, where they can still be told apart. */
static bool target_conditions(pythia_validation_state *v, pythia_error *error)
{
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	pythia_error at_source = PYTHIA_ERROR_INIT;
	bool ok;

	if (v->options->target_where != NULL)
		and_text(&target->filter, v->options->target_where);
	else
	{
		if (v->config.target_where != NULL)
			and_text(&target->filter, v->config.target_where);
		else if (!and_translated(v, v->plan.where, error))
			return false;
		if (!and_translated(v, v->options->where, error))
			return false;
	}
	if (v->options->target_where == NULL && v->plan.where == NULL && v->options->where == NULL)
		return true;
	ok = ask_condition(target, error);
	if (!ok && v->options->target_where != NULL)
		pythia_error_context(error, "option \"target_where\"");
	else if (!ok && !target->db->broken && !ask_condition(&v->sides[PYTHIA_SOURCE], &at_source))
	{
		/* nothing that the target's words would mend */
		pythia_error_reset(error);
		pythia_error_move(error, &at_source);
		pythia_error_context(error, "option \"where\", asked of the source as%s", v->sides[PYTHIA_SOURCE].filter.data);
	}
	else if (!ok && !target->db->broken)
	{
		pythia_error_context(error, "option \"where\", asked of the target as%s", target->filter.data);
		pythia_error_hint(error, "Give the same condition in the target's words as option \"target_where\".");
	}
	return ok;
}

static bool add_since(pythia_validation_state *v, pythia_error *error)
{
	const char *since = v->options->since;
	pythia_buffer stamp = PYTHIA_BUFFER_INIT;
	bool ok;

	if (since == NULL)
		return true;
	if (v->plan.stamp < 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42703", "table \"%s\" has no timestamp column \"%s\" on both sides",
					v->plan.source.name, v->config.timestamp_column);
		return pythia_error_hint(error, "Name one in timestamp_column, or leave out option \"since\".");
	}
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		const pythia_pair *pair = &v->plan.pairs[v->plan.stamp];
		const pythia_column *column = &s->table->columns[side == PYTHIA_SOURCE ? pair->source : pair->target];
		bool number = column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;

		pythia_buffer_clear(&stamp);
		pythia_and(&s->filter);
		ok = (number ? pythia_decimal_text(&stamp, since, strlen(since), 0)
					 : pythia_stamp_canonical(&stamp, since, strlen(since), 6)) &&
			 pythia_stamp_since(s->db, column, stamp.data, false, &s->filter);
		if (!ok)
		{
			pythia_buffer_free(&stamp);
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"since\": \"%s\"", since);
			return pythia_error_hint(error,
									 number ? "Column \"%s\" takes a whole number."
											: "Column \"%s\" takes a time such as 2026-01-31 12:00:00.",
									 column->name);
		}
	}
	pythia_buffer_free(&stamp);
	return true;
}

/* Takes a row where the digest of seed and key is below the share. */
static void add_sample(pythia_validation_state *v)
{
	char seed[32];
	uint64_t limit = (uint64_t) (v->options->sample * 4294967296.0);

	if (v->options->sample >= 1)
		return;
	snprintf(seed, sizeof(seed), "%lld;", (long long) v->options->seed);
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		pythia_buffer digest = PYTHIA_BUFFER_INIT;
		pythia_buffer seeded = PYTHIA_BUFFER_INIT;
		bool mysql = s->db->engine == PYTHIA_MYSQL;

		pythia_canonical_digest(s->db, &digest, s->items, v->plan.nkey, v->digest);
		pythia_buffer_printf(&seeded, mysql ? "CONCAT('%s', %s)" : "'%s' || %s", seed, digest.data);
		pythia_and(&s->filter);
		pythia_buffer_puts(&s->filter, mysql                                ? "LEFT("
									   : s->db->engine == PYTHIA_POSTGRESQL ? "pg_catalog.left("
																			: "substr(");
		pythia_canonical_hash(s->db, &s->filter, v->digest == PYTHIA_DIGEST_SHA256, true, seeded.data);
		pythia_buffer_printf(&s->filter, "%s < '%08llx'",
							 s->db->engine == PYTHIA_POSTGRESQL ? ", 8) COLLATE \"C\""
							 : mysql                            ? ", 8)"
																: ", 1, 8)",
							 (unsigned long long) limit);
		pythia_buffer_free(&digest);
		pythia_buffer_free(&seeded);
	}
}

static bool choose_rows(pythia_validation_state *v, pythia_error *error)
{
	const pythia_validate_options *options = v->options;
	pythia_side *source = &v->sides[PYTHIA_SOURCE];
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	const pythia_column *soft = pythia_soft_column(&v->config, target->table);

	if (!pythia_condition_check(source->db->engine, "where", options->where, error) ||
		!pythia_condition_check(target->db->engine, "target_where", options->target_where, error))
		return false;
	for (int side = 0; side < 2; side++)
		pythia_dialect_table(v->sides[side].dialect, &v->sides[side].name, v->sides[side].table->schema,
							 v->sides[side].table->name);
	if (v->plan.where != NULL)
		and_text(&source->filter, v->plan.where);
	if (options->where != NULL)
		and_text(&source->filter, options->where);
	pythia_buffer_puts(&source->lookup_filter, pythia_buffer_text(&source->filter));
	if (soft != NULL)
	{
		pythia_and(&target->filter);
		pythia_soft_condition(target->db, soft, &target->filter);
	}
	pythia_buffer_puts(&target->lookup_filter, pythia_buffer_text(&target->filter));
	if (!target_conditions(v, error))
		return false;
	if (v->kept.length > 0)
	{
		pythia_and(&source->filter);
		pythia_buffer_puts(&source->filter, v->kept.data + strlen(" WHERE "));
	}
	if (!add_since(v, error))
		return false;
	add_sample(v);
	return true;
}

/* MD5 unless told otherwise, or one side has none; between two PostgreSQL their own hash, and in the host's own database our aggregate. */
static bool choose_digests(pythia_validation_state *v, pythia_error *error)
{
	pythia_digest wanted = v->options->digest;
	bool postgres = v->sides[0].db->engine == PYTHIA_POSTGRESQL && v->sides[1].db->engine == PYTHIA_POSTGRESQL;

	for (int side = 0; side < 2; side++)
	{
		const pythia_db *db = v->sides[side].db;

		if (pythia_canonical_has_md5(db))
			continue;
		if (wanted == PYTHIA_DIGEST_MD5)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "0A000", "%s has no MD5()", db->version_text);
			return pythia_error_hint(error, "Leave option \"digest\" at auto, or set it to sha256.");
		}
		wanted = PYTHIA_DIGEST_SHA256;
	}
	v->digest = wanted == PYTHIA_DIGEST_SHA256 ? PYTHIA_DIGEST_SHA256 : PYTHIA_DIGEST_MD5;
	/* their own hash is of the bytes that each of them keeps */
	if (wanted == PYTHIA_DIGEST_HASH && (v->sides[0].db->recoded || v->sides[1].db->recoded))
		wanted = PYTHIA_DIGEST_MD5;
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		bool offered;

		s->sums_digest = wanted == PYTHIA_DIGEST_HASH && !postgres ? PYTHIA_DIGEST_MD5 : wanted;
		if (s->sums_digest != PYTHIA_DIGEST_MD5 || !s->db->local || s->db->recoded ||
			s->db->engine != PYTHIA_POSTGRESQL)
			continue;
		if (!pythia_postgres_offers(s->db, "_sums", &offered, error))
			return false;
		if (offered)
			s->sums_digest = PYTHIA_DIGEST_SERVER;
	}
	return true;
}

bool pythia_validation_begin(pythia_validation_state *v, const pythia_sync_job *job,
							 const pythia_validate_options *options, pythia_error *error)
{
	memset(v, 0, sizeof(*v));
	v->job = job;
	v->options = options;
	if (job->source == job->target)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "source and target share one connection");
	if (!make_plan(v, error))
	{
		pythia_validation_end(v);
		return false;
	}
	for (int side = 0; side < 2; side++)
	{
		v->sides[side].db = side == PYTHIA_SOURCE ? job->source : job->target;
		v->sides[side].dialect = pythia_dialect_of(v->sides[side].db);
		v->sides[side].table = side == PYTHIA_SOURCE ? &v->plan.source : &v->plan.target;
	}
	if (!all_columns_there(v, error) || !choose_digests(v, error) || !pythia_validation_columns(v, error))
	{
		pythia_validation_end(v);
		return false;
	}
	choose_identity(v);
	v->rows_expected = v->plan.source.estimated_rows > v->plan.target.estimated_rows ? v->plan.source.estimated_rows
																					 : v->plan.target.estimated_rows;
	if (!choose_rows(v, error) || !pythia_validation_key_tells(v, error))
	{
		pythia_validation_end(v);
		return false;
	}
	return true;
}

void pythia_validation_end(pythia_validation_state *v)
{
	pythia_candidates_free(&v->pending, v->plan.nkey);
	for (int i = 0; v->agreed != NULL && i < v->plan.npairs; i++)
		pythia_type_free(&v->agreed[i]);
	pythia_free(v->agreed);
	pythia_free(v->order);
	for (int i = 0; v->values != NULL && i < v->plan.npairs; i++)
		pythia_free(v->values[i]);
	pythia_free(v->values);
	pythia_buffer_free(&v->kept);
	pythia_free(v->backward);
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];

		pythia_free(s->items);
		pythia_buffer_free(&s->name);
		pythia_buffer_free(&s->filter);
		pythia_buffer_free(&s->lookup_filter);
		pythia_buffer_free(&s->first);
		pythia_buffer_free(&s->identity);
	}
	pythia_plan_free(&v->plan);
	if (v->own_key != NULL)
		pythia_node_free(v->own_key);
	memset(v, 0, sizeof(*v));
}

bool pythia_both_query(pythia_validation_state *v, const pythia_buffer sql[2], const char *shape,
					   pythia_result results[2], pythia_error *error)
{
	pythia_error other = PYTHIA_ERROR_INIT;
	bool sent[2] = {false, false};
	bool ok;

	memset(results, 0, 2 * sizeof(pythia_result));
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = v->sides[side].db;

		sent[side] = db->driver->send(db, sql[side].data, error);
		if (!sent[side])
			break;
	}
	ok = sent[0] && sent[1];
	/* what was sent is also received, so that the connection can be used again */
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = v->sides[side].db;

		if (!sent[side])
			continue;
		if (!pythia_db_receive(db, sql[side].data, shape, &results[side], ok ? error : &other))
			ok = false;
	}
	pythia_error_reset(&other);
	if (!ok)
	{
		pythia_result_free(&results[0]);
		pythia_result_free(&results[1]);
	}
	return ok;
}
