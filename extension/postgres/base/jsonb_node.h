/* jsonb as the engine's tree of options. */
#ifndef PYTHIA_POSTGRES_BASE_JSONB_NODE_H
#define PYTHIA_POSTGRES_BASE_JSONB_NODE_H

#include "postgres.h"

#include "core/node.h"
#include "utils/jsonb.h"

/* The tree lives as long as the current memory context; do not free it. Texts are UTF-8. */
extern pythia_node *pythia_node_from_jsonb(Jsonb *json);

/* The same, to be freed by the caller (pythia_node_free). */
extern pythia_node *pythia_node_copy_jsonb(Jsonb *json);

/* jsonb from JSON text that the engine wrote; NULL gives NULL. */
extern Jsonb *pythia_jsonb_from_text(const char *text);

#endif
