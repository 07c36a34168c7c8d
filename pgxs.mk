# The PostgreSQL extension alone, by PGXS; the Makefile beside this one calls it.
EXTENSION = pythia_db
# (Makefile.global calls the server's version VERSION.)
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pythia_db.control)

MODULE_big = pythia_db
OBJS = $(patsubst %.c,%.o,$(wildcard extension/postgres/*/*.c))
DATA_built = build/$(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard extension/sql/$(EXTENSION)--*--*.sql)
PG_CPPFLAGS = -Iclient/include -Iclient -Iextension -DPYTHIA_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement \
	-fvisibility=hidden $(WERROR)
SHLIB_LINK = build/libpythia.a $(CLIENT_LIBS)

# Bitcode would need a clang that matches the server's.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
# make installcheck: against a running server in which it is installed
REGRESS = $(patsubst sql/%.sql,%,$(wildcard sql/*.sql))
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=build/isolation
REGRESS_OPTS = --outputdir=build/regress

include $(PGXS)

# PGXS shows whole commands, or with make -s nothing; SAY is the Makefile's.
ifeq ($(SAY),lines)
override COMPILE.c = echo 'CC $<'; $(CC) $(CFLAGS) $(CPPFLAGS) -c
override LINK.shared := echo 'LD $(shlib)'; $(LINK.shared)
say = @echo '$(1) $(2)';
endif

# PGXS rebuilds an object only when its own source changes: tell it of headers
# and of the flags.
$(OBJS): $(wildcard extension/postgres/*/*.h client/*/*.h client/*/*/*.h) build/flags
$(shlib): build/libpythia.a

build/$(EXTENSION)--$(EXTVERSION).sql: $(sort $(wildcard extension/sql/[0-9]*.sql)) pythia_db.control
	@mkdir -p $(@D)
	$(call say,GEN,$@)cat $(filter %.sql,$^) > $@
