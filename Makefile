# pythia_db: the PostgreSQL extension (PGXS), libpythia, the SQLite extension
# and the command `pythia`.  `make help` lists the targets.

EXTENSION = pythia_db
VERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pythia_db.control)

# --- the PostgreSQL extension -----------------------------------------------
MODULE_big = pythia_db
OBJS = $(patsubst %.c,%.o,$(wildcard extension/postgres/*.c))
DATA_built = build/$(EXTENSION)--$(VERSION).sql
DATA = $(wildcard extension/sql/$(EXTENSION)--*--*.sql)
PG_CPPFLAGS = -Iclient/include -Iclient -Iextension/postgres -DPYTHIA_VERSION='"$(VERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement \
	-fvisibility=hidden $(WERROR)
SHLIB_LINK = build/libpythia.a $(CLIENT_LIBS)
EXTRA_CLEAN = build

# bitcode would need a clang that matches the server's
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# --- client libraries -------------------------------------------------------
PKG_CONFIG ?= pkg-config
MYSQL_CONFIG ?= $(firstword $(shell command -v mariadb_config mysql_config 2>/dev/null))
CLIENT_CFLAGS := -I$(shell $(PG_CONFIG) --includedir) $(shell $(MYSQL_CONFIG) --include) \
	$(shell $(PKG_CONFIG) --cflags sqlite3)
CLIENT_LIBS := -L$(shell $(PG_CONFIG) --libdir) -lpq $(shell $(MYSQL_CONFIG) --libs) \
	$(shell $(PKG_CONFIG) --libs sqlite3) -lm

# --- libpythia --------------------------------------------------------------
prefix ?= /usr/local
WERROR ?= -Werror
OPTIMIZE ?= -O2 -g
SANITIZE ?=
CLIENT_BUILD ?= build
CLIENT_STD = -std=gnu11 -Wall -Wextra -Wno-missing-field-initializers -Wstrict-prototypes \
	-Wmissing-prototypes -Wshadow $(WERROR) $(OPTIMIZE) $(SANITIZE) -fPIC -fvisibility=hidden \
	-Iclient/include -Iclient -DPYTHIA_VERSION='"$(VERSION)"'

LIB_SOURCES = $(wildcard client/core/*.c client/dialect/*.c client/drivers/*.c client/capture/*.c \
	client/sync/*.c client/api/*.c)
LIB_OBJECTS = $(LIB_SOURCES:%.c=$(CLIENT_BUILD)/%.o)
CLI_OBJECTS = $(patsubst %.c,$(CLIENT_BUILD)/%.o,$(wildcard client/cli/*.c))
# Inside SQLite the library's own functions are reached through sqlite3ext.h.
SQLITE_EXT_SOURCES = $(wildcard extension/sqlite/*.c client/drivers/sqlite.c)
SQLITE_EXT_OBJECTS = $(SQLITE_EXT_SOURCES:%.c=$(CLIENT_BUILD)/loadable/%.o)

all: client sqlite-extension
client: $(CLIENT_BUILD)/libpythia.a $(CLIENT_BUILD)/libpythia.so $(if $(CLI_OBJECTS),$(CLIENT_BUILD)/pythia)
sqlite-extension: $(CLIENT_BUILD)/sqlite/pythia_db.so

$(CLIENT_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -MMD -MP -c -o $@ $<

$(CLIENT_BUILD)/loadable/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -DPYTHIA_SQLITE_LOADABLE -Iextension/sqlite -MMD -MP -c -o $@ $<

$(CLIENT_BUILD)/libpythia.a: $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(CLIENT_BUILD)/libpythia.so: $(LIB_OBJECTS)
	$(CC) $(SANITIZE) -shared -Wl,-soname,libpythia.so.0 -o $@ $^ $(CLIENT_LIBS)

$(CLIENT_BUILD)/pythia: $(CLI_OBJECTS) $(CLIENT_BUILD)/libpythia.a
	$(CC) $(SANITIZE) -o $@ $(CLI_OBJECTS) $(CLIENT_BUILD)/libpythia.a $(CLIENT_LIBS)

$(CLIENT_BUILD)/sqlite/pythia_db.so: $(SQLITE_EXT_OBJECTS) $(filter-out $(CLIENT_BUILD)/client/drivers/sqlite.o,$(LIB_OBJECTS))
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -shared -o $@ $^ $(filter-out -lsqlite3,$(CLIENT_LIBS))

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d) $(SQLITE_EXT_OBJECTS:.o=.d)

# PGXS rebuilds a server object only when its source changes: tell it of headers.
$(OBJS): $(wildcard extension/postgres/*.h client/*/*.h)
$(shlib): build/libpythia.a

build/$(EXTENSION)--$(VERSION).sql: $(sort $(wildcard extension/sql/[0-9]*.sql)) pythia_db.control
	@mkdir -p $(@D)
	cat $(filter %.sql,$^) > $@
