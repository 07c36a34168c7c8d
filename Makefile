# pythia_db: the PostgreSQL extension, libpythia, the SQLite extension and the
# command `pythia`.  `make help` lists the targets.

VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pythia_db.control)
prefix ?= /usr/local
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config
# The client library of MySQL: MariaDB's Connector/C or Oracle's libmysqlclient, by pkg-config's name.
MYSQL_LIBRARY ?= $(shell $(PKG_CONFIG) --exists libmariadb 2>/dev/null && echo libmariadb || echo mysqlclient)
INSTALL ?= install
CLIENT_BUILD ?= build

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# Targets that can do without the client libraries' headers (they may have to
# be installed first).
NO_LIBRARIES := help setup clean check check-matrix coverage demo bench lint format fuzz
ifneq ($(filter-out $(NO_LIBRARIES),$(or $(MAKECMDGOALS),all)),)
CLIENT_CFLAGS := -I$(shell $(PG_CONFIG) --includedir) $(shell $(PKG_CONFIG) --cflags $(MYSQL_LIBRARY)) \
	$(shell $(PKG_CONFIG) --cflags sqlite3)
CLIENT_LIBS := -L$(shell $(PG_CONFIG) --libdir) -lpq -lssl $(shell $(PKG_CONFIG) --libs $(MYSQL_LIBRARY)) \
	$(shell $(PKG_CONFIG) --libs sqlite3) -lm -lpthread
PGXS_FILE := $(shell $(PG_CONFIG) --pgxs)
export CLIENT_LIBS
endif

# --- flags ------------------------------------------------------------------
WERROR ?= -Werror
OPTIMIZE ?= -O2 -g
SANITIZE ?=
PROGRAM_FLAGS ?=
export WERROR
CLIENT_STD = -std=gnu11 -Wall -Wextra -Wno-missing-field-initializers -Wstrict-prototypes \
	-Wmissing-prototypes -Wshadow $(WERROR) $(OPTIMIZE) $(SANITIZE) -fPIC -fvisibility=hidden \
	-Iclient/include -Iclient -DPYTHIA_VERSION='"$(VERSION)"'

# One short line a file; V=1 shows the commands, make -s nothing but warnings.
ifneq ($(filter-out 0,$(V)),)
export SAY := commands
say =
else ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
export SAY :=
say = @
else
export SAY := lines
say = @echo '$(1) $(2)';
endif

# --- what there is to build -------------------------------------------------
MYSQL_ROOM = client/drivers/mysql/$(if $(filter libmariadb,$(MYSQL_LIBRARY)),connector_c,libmysqlclient)
LIB_SOURCES = $(filter-out client/cli/% client/examples/%,$(wildcard client/*/*.c client/*/*/*.c $(MYSQL_ROOM)/*.c))
LIB_OBJECTS = $(LIB_SOURCES:%.c=$(CLIENT_BUILD)/%.o)
CLI_OBJECTS = $(patsubst %.c,$(CLIENT_BUILD)/%.o,$(wildcard client/cli/*.c) client/cli/templates.c)
# Inside SQLite the library's own functions are reached through sqlite3ext.h.
SQLITE_EXT_SOURCES = $(wildcard extension/sqlite/*.c) $(wildcard client/drivers/sqlite/*.c)
SQLITE_EXT_OBJECTS = $(SQLITE_EXT_SOURCES:%.c=$(CLIENT_BUILD)/loadable/%.o)
SQLITE_LIB_OBJECTS = $(filter-out $(CLIENT_BUILD)/client/drivers/sqlite/%.o $(CLIENT_BUILD)/client/api/%.o,$(LIB_OBJECTS))
FUZZ_OBJECTS = $(patsubst %.c,$(CLIENT_BUILD)/%.o,$(wildcard test/fuzz/targets*.c))
UNIT_TESTS = $(patsubst %.c,$(CLIENT_BUILD)/%,$(wildcard test/unit/*.c))
SONAME = libpythia.so.0
# A program may close a library that it has loaded; the client library of MySQL has been told of functions of ours.
STAYS = -Wl,-z,nodelete

## all: the extension, libpythia, the SQLite extension and the command (default); V=1 shows the commands
all: client sqlite-extension postgres-extension
client: $(addprefix $(CLIENT_BUILD)/,libpythia.a libpythia.so pythia pythia.1 pythia.bash _pythia)
sqlite-extension: $(if $(SQLITE_EXT_SOURCES),$(CLIENT_BUILD)/sqlite/pythia_db.so)
postgres-extension: $(if $(wildcard extension/postgres/*/*.c),pgxs-all)

# Rebuild everything when a flag or the version changes.
$(CLIENT_BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) $(PGXS_FILE) $(PROGRAM_FLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) $(PGXS_FILE) $(PROGRAM_FLAGS)' > $@

$(CLIENT_BUILD)/%.o: %.c $(CLIENT_BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -MMD -MP -c -o $@ $<

$(CLIENT_BUILD)/loadable/%.o: %.c $(CLIENT_BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -DPYTHIA_SQLITE_LOADABLE -Iextension/sqlite -MMD -MP -c -o $@ $<

$(CLIENT_BUILD)/libpythia.a: $(LIB_OBJECTS)
	@mkdir -p $(@D) && rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(CLIENT_BUILD)/libpythia.so: $(LIB_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SANITIZE) $(LDFLAGS) $(STAYS) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(CLIENT_LIBS)

# The files that `pythia create` writes, as C strings.
$(CLIENT_BUILD)/gen/client/cli/templates.c: client/cli/embed.sh $(shell find client/cli/templates -type f 2>/dev/null)
	@mkdir -p $(@D)
	$(call say,GEN,$@)client/cli/embed.sh client/cli/templates > $@

$(CLIENT_BUILD)/client/cli/templates.o: $(CLIENT_BUILD)/gen/client/cli/templates.c $(CLIENT_BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -MMD -MP -c -o $@ $<

$(CLIENT_BUILD)/pythia: $(CLI_OBJECTS) $(CLIENT_BUILD)/libpythia.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SANITIZE) $(LDFLAGS) $(PROGRAM_FLAGS) -o $@ $(CLI_OBJECTS) $(CLIENT_BUILD)/libpythia.a $(CLIENT_LIBS)

# The command writes its own manual page and completions.
$(CLIENT_BUILD)/pythia.1: $(CLIENT_BUILD)/pythia
	$(call say,GEN,$@)$< help --man > $@
$(CLIENT_BUILD)/pythia.bash: $(CLIENT_BUILD)/pythia
	$(call say,GEN,$@)$< completion bash > $@
$(CLIENT_BUILD)/_pythia: $(CLIENT_BUILD)/pythia
	$(call say,GEN,$@)$< completion zsh > $@

$(CLIENT_BUILD)/sqlite/pythia_db.so: $(SQLITE_EXT_OBJECTS) $(SQLITE_LIB_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SANITIZE) $(LDFLAGS) $(STAYS) -shared -o $@ $^ $(filter-out -lsqlite3,$(CLIENT_LIBS))

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d) $(SQLITE_EXT_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d) $(UNIT_TESTS:=.d)

pgxs-%: build/libpythia.a build/flags
	@$(MAKE) --no-print-directory $(if $(filter commands,$(SAY)),,-s) -f pgxs.mk PG_CONFIG='$(PG_CONFIG)' $*

## generated: write the manual page and the completions anew, from the command's own tables
generated: $(CLIENT_BUILD)/pythia
	$< help --man > doc/man/pythia.1
	$< completion bash > client/cli/completions/pythia.bash
	$< completion zsh > client/cli/completions/_pythia

# --- tests ------------------------------------------------------------------
## unit-tests: build the cmocka tests under build/test/unit
unit-tests: $(UNIT_TESTS)

$(CLIENT_BUILD)/test/unit/%: test/unit/%.c $(CLIENT_BUILD)/libpythia.a $(CLIENT_BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CLIENT_STD) -Wno-unused-parameter -Itest/unit $(CLIENT_CFLAGS) $(PROGRAM_FLAGS) -MMD -MP -o $@ $< $(filter %.o,$^) \
		$(CLIENT_BUILD)/libpythia.a $(CLIENT_LIBS) -lcmocka

# It runs what is fuzzed.
$(CLIENT_BUILD)/test/unit/test_fuzz: $(FUZZ_OBJECTS)

# A private copy of the PostgreSQL installation with ours in it: PostgreSQL
# finds its files relative to its binary, so no system directory is touched.
TMP_INSTALL := $(CURDIR)/build/tmp_install

## tmp-install: a private copy of the PostgreSQL installation with everything of ours installed in it
tmp-install: all build/tmp_install/.copied
	@$(MAKE) --no-print-directory -s install DESTDIR='$(TMP_INSTALL)'

# (a directory's time changes when something is installed into it)
build/tmp_install/.copied: $(wildcard $(shell $(PG_CONFIG) --bindir 2>/dev/null)/postgres \
		$(shell $(PG_CONFIG) --pkglibdir 2>/dev/null) $(shell $(PG_CONFIG) --sharedir 2>/dev/null)/extension)
	@test/lib/copy-postgres '$(PG_CONFIG)' '$(TMP_INSTALL)'
	@touch $@

## check: build with warnings as errors, run every test and some fuzzing, the same each time (FUZZ_RUNS inputs a target); `make check TESTS='sql/a.sql test/tap/b.pl'` runs some
check: setup-check
	@$(MAKE) --no-print-directory WERROR=-Werror check-built
check-built: tmp-install unit-tests sanitized fuzz-targets
	@test/run $(TESTS)

## check-matrix: make check on each system of test/matrix/combinations, in Debian trees below MATRIX_TREES (../pythia_db-trees), as root; MATRIX=name for one; writes doc/matrix.md
check-matrix:
	@test/matrix/run $(MATRIX)

## coverage: which lines the tests run (or those of TESTS): the share of each room, and pages below build/coverage; needs gcovr
coverage:
	@test/coverage $(TESTS)

# Tests start the sanitized command some thousand times.  It has 100,000 pointers to places in the source: at a fixed
# address nothing of them is to be relocated at each start, and a runtime within it is found sooner.
SANITIZED_PROGRAM = -no-pie $(and $(filter /%,$(shell $(CC) -print-file-name=libasan.a)),$(filter \
	/%,$(shell $(CC) -print-file-name=libubsan.a)),-static-libasan -static-libubsan)

## sanitized: the client side once more with ASan and UBSan, under build-asan; make check runs its tests with both
sanitized:
	@$(MAKE) --no-print-directory CLIENT_BUILD=build-asan OPTIMIZE='-O1 -g' PROGRAM_FLAGS='$(SANITIZED_PROGRAM)' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' \
		client sqlite-extension unit-tests

## fuzz: libFuzzer on what reads foreign text, FUZZ_SECONDS each (60), with what it learns kept under build-fuzz
FUZZ_TARGETS = $(patsubst %,$(FUZZ_BUILD)/fuzz_%,$(notdir $(wildcard test/fuzz/corpus/*)))
FUZZ_BUILD = build-fuzz
FUZZ_CC ?= clang
FUZZ_SANITIZE = address,undefined -fno-sanitize-recover=undefined
fuzz: setup-check
	@$(MAKE) --no-print-directory fuzz-targets
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} FUZZ_CORPUS=$(FUZZ_BUILD)/corpus test/check/fuzz

fuzz-targets:
	@$(MAKE) --no-print-directory CLIENT_BUILD=$(FUZZ_BUILD) CC='$(FUZZ_CC)' OPTIMIZE='-O1 -g' WERROR= \
		SANITIZE='-fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE)' $(FUZZ_TARGETS)

$(FUZZ_BUILD)/fuzz_%: test/fuzz/fuzz.c $(FUZZ_OBJECTS) $(FUZZ_BUILD)/libpythia.a
	$(call say,LD,$@)$(CC) $(CLIENT_STD) $(CLIENT_CFLAGS) -fsanitize=fuzzer,$(FUZZ_SANITIZE) -DTARGET=fuzz_$* -o $@ \
		test/fuzz/fuzz.c $(FUZZ_OBJECTS) $(FUZZ_BUILD)/libpythia.a $(CLIENT_LIBS)

## demo: a small web shop captured, synchronised and validated, on throwaway servers
demo: setup-demo
	@$(MAKE) --no-print-directory -s tmp-install
	@demo/run

## bench: side-by-side measurements; BENCH=name for one, ROWS=n to scale
bench: setup-bench
	@$(MAKE) --no-print-directory -s tmp-install
	@test/bench/run $(BENCH)

## setup: install what building, testing and the demo need, or say what is missing
setup: setup-check
setup-%:
	@.ci/setup $*

# --- style ------------------------------------------------------------------
C_FILES = $(shell git ls-files '*.c' '*.h' 2>/dev/null || find client extension test -name '*.[ch]')

## format: rewrite the C sources by .clang-format
format:
	clang-format -i $(C_FILES)
## lint: formatting, static analysis, shell scripts
lint: setup-lint
	@test/lint/run

# --- install ----------------------------------------------------------------
## install: into the server that pg_config tells and $(prefix); honours PG_CONFIG, DESTDIR, prefix
install: all pgxs-install-if-any install-client
pgxs-install-if-any: $(if $(wildcard extension/postgres/*/*.c),pgxs-install)

install-client: client sqlite-extension
	$(INSTALL) -d '$(DESTDIR)$(bindir)' '$(DESTDIR)$(libdir)/pkgconfig' '$(DESTDIR)$(libdir)/sqlite' \
		'$(DESTDIR)$(includedir)' '$(DESTDIR)$(mandir)/man1' \
		'$(DESTDIR)$(datadir)/bash-completion/completions' '$(DESTDIR)$(datadir)/zsh/site-functions'
	$(INSTALL) -m 644 $(CLIENT_BUILD)/libpythia.a '$(DESTDIR)$(libdir)/libpythia.a'
	$(INSTALL) -m 755 $(CLIENT_BUILD)/libpythia.so '$(DESTDIR)$(libdir)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(libdir)/libpythia.so'
	sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' \
		-e 's|@version@|$(VERSION)|' -e 's|@libs_private@|$(CLIENT_LIBS)|' client/libpythia.pc.in \
		> '$(DESTDIR)$(libdir)/pkgconfig/libpythia.pc'
	$(if $(wildcard client/include/pythia.h),$(INSTALL) -m 644 client/include/pythia.h '$(DESTDIR)$(includedir)/pythia.h')
	$(INSTALL) -m 755 $(CLIENT_BUILD)/pythia '$(DESTDIR)$(bindir)/pythia'
	$(INSTALL) -m 755 $(CLIENT_BUILD)/sqlite/pythia_db.so '$(DESTDIR)$(libdir)/sqlite/pythia_db.so'
	$(INSTALL) -m 644 $(CLIENT_BUILD)/pythia.1 '$(DESTDIR)$(mandir)/man1/pythia.1'
	$(INSTALL) -m 644 $(CLIENT_BUILD)/pythia.bash '$(DESTDIR)$(datadir)/bash-completion/completions/pythia'
	$(INSTALL) -m 644 $(CLIENT_BUILD)/_pythia '$(DESTDIR)$(datadir)/zsh/site-functions/_pythia'

## installcheck: the SQL and isolation tests against the running server of pg_config, where install has put it (PGHOST, PGPORT, PGUSER say which)
installcheck: pgxs-installcheck

## uninstall: take away what install put there
uninstall: pgxs-uninstall
	rm -f '$(DESTDIR)$(libdir)/libpythia.a' '$(DESTDIR)$(libdir)/$(SONAME)' '$(DESTDIR)$(libdir)/libpythia.so' \
		'$(DESTDIR)$(libdir)/pkgconfig/libpythia.pc' '$(DESTDIR)$(includedir)/pythia.h' \
		'$(DESTDIR)$(bindir)/pythia' '$(DESTDIR)$(libdir)/sqlite/pythia_db.so' \
		'$(DESTDIR)$(mandir)/man1/pythia.1' '$(DESTDIR)$(datadir)/bash-completion/completions/pythia' \
		'$(DESTDIR)$(datadir)/zsh/site-functions/_pythia'

## clean: remove what was built
clean:
	rm -rf build build-asan build-fuzz pythia_db.so pythia_db.a libpythia_db.a extension/postgres/*/*.o extension/postgres/*/*.bc

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r t d; do \
		printf '  %-12s %s\n' "$$t" "$$d"; done

.PHONY: check-matrix coverage fuzz fuzz-targets all client sqlite-extension postgres-extension unit-tests tmp-install check check-built sanitized demo bench setup \
	format lint install installcheck install-client pgxs-install-if-any uninstall clean help force
