#include "postgres/capture/columns.h"

#include "core/suggest.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "utils/rel.h"

int pythia_column_position(Relation relation, const char *name)
{
	TupleDesc desc = RelationGetDescr(relation);
	const char **names = palloc(sizeof(char *) * Max(desc->natts, 1));
	const char *close;
	int n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		if (strcmp(NameStr(attribute->attname), name) == 0)
			return i;
		names[n++] = NameStr(attribute->attname);
	}
	close = pythia_suggest(name, names, n);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" of table \"%s\" does not exist", name, RelationGetRelationName(relation)),
					close ? errhint("Perhaps you meant \"%s\".", close)
						  : errhint("Name a column of the table, in its exact spelling.")));
	return -1;
}

/* A column that is worked out when it is read is in no tuple that a trigger gets. */
static bool is_unseen(const pythia_capture_config *config, Form_pg_attribute attribute)
{
	return config->capture == PYTHIA_CAPTURE_TRIGGER && attribute->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
}

void pythia_check_unseen_columns(Relation relation, const pythia_capture_config *config, int nkey, char **key)
{
	TupleDesc desc = RelationGetDescr(relation);
	pythia_capture_config polled = *config;
	int *positions;
	int count;

	polled.capture = PYTHIA_CAPTURE_POLL;
	count = pythia_image_columns(relation, &polled, &positions);
	for (int i = 0; i < nkey; i++)
		if (is_unseen(config, TupleDescAttr(desc, pythia_column_position(relation, key[i]))))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("triggers do not see the virtual column \"%s\" of table \"%s\"", key[i],
								   RelationGetRelationName(relation)),
							errhint("Name other columns in the option \"key\", make the column STORED, or use "
									"\"capture\": \"poll\".")));
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, positions[i]);

		if (is_unseen(config, attribute))
			ereport(WARNING, (errmsg("the virtual column \"%s\" of table \"%s\" is left out: triggers do not see it",
									 NameStr(attribute->attname), RelationGetRelationName(relation)),
							  errhint("Make the column STORED, or use \"capture\": \"poll\".")));
	}
}

int pythia_image_columns(Relation relation, const pythia_capture_config *config, int **positions)
{
	TupleDesc desc = RelationGetDescr(relation);
	int count = 0;

	for (const pythia_node *item = pythia_node_items(config->columns); item; item = item->next)
		(void) pythia_column_position(relation, pythia_from_utf8(item->text));
	for (const pythia_node *item = pythia_node_items(config->exclude_columns); item; item = item->next)
		(void) pythia_column_position(relation, pythia_from_utf8(item->text));
	*positions = palloc(sizeof(int) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		char *name = pythia_to_utf8(NameStr(attribute->attname));
		bool taken = !attribute->attisdropped && !is_unseen(config, attribute) &&
					 (!config->columns || pythia_node_lists(config->columns, name)) &&
					 !pythia_node_lists(config->exclude_columns, name);

		pfree(name);
		if (!taken)
			continue;
		(*positions)[count++] = i;
	}
	return count;
}
