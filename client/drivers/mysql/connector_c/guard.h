/* Between library.c and guard.c. */
#ifndef PYTHIA_DRIVERS_MYSQL_CONNECTOR_C_GUARD_H
#define PYTHIA_DRIVERS_MYSQL_CONNECTOR_C_GUARD_H

#include "drivers/mysql/internal.h"

/* Puts our looks into the library, where they are not there yet; they act on connections of ours alone. */
void pythia_mysql_guard_library(MYSQL *mysql);

#endif
