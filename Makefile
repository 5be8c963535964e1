# SPDX-License-Identifier: MPL-2.0
# tokend. `make help` says what there is. One Makefile for all; every object of a layer goes into that layer's
# archive, and a program links the archives that ARCHITECTURE.md lets it. Tests, lint and bench: tests/tests.mk.

VERSION    = 0.1.0
PREFIX    ?= /usr/local
BINDIR    ?= $(PREFIX)/bin
SBINDIR   ?= $(PREFIX)/sbin
LIBDIR    ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
MANDIR    ?= $(PREFIX)/share/man
DOCDIR    ?= $(PREFIX)/share/doc/tokend
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
# systemd's own files: units, sysusers.d, tmpfiles.d.
SYSTEMDDIR ?= $(PREFIX)/lib
DESTDIR   ?=
CC        ?= cc
PKG_CONFIG ?= pkg-config
OBJCOPY   ?= objcopy
PYTHON    ?= /usr/bin/python3

# SANITIZE=address,undefined: another tree of objects, below build/ too.
SANITIZE  ?=
comma     := ,
BUILD     ?= build$(if $(SANITIZE),/sanitize-$(subst $(comma),-,$(SANITIZE)))
# An absolute path is the same tree: the lists of dependencies name its files in one way, and make would miss a change else.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
WERROR    ?=
V         ?=
Q         := $(if $(V),,@)
say        = $(if $(V),@:,@printf '  %-7s %s\n')

CFLAGS    ?= -O2 -g
# -fno-strict-aliasing: the links of intrusive lists lie in other structs; gcc 12 at -O2 took the load of a list head out of
# a loop that emptied the list, which then never ended.
TOKEND_CFLAGS = -std=c17 -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fno-strict-aliasing -fPIC -fstack-protector-strong -fvisibility=hidden \
	-Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wundef \
	-Wformat=2 -Wvla -Wno-unused-parameter $(if $(WERROR),-Werror) \
	-DTOKEND_VERSION='"$(VERSION)"' -DLIBEXECDIR='"$(LIBEXECDIR)/tokend"' -I. -I$(BUILD) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -U_FORTIFY_SOURCE)
TOKEND_LDFLAGS = -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE))

pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
# NSS's headers are reached as <nss/nss.h> and <nspr/nspr.h>, which need no -I on Debian; its own includes need these.
NSS_CFLAGS     := $(call pkg,--cflags,nss nspr)
NSS_LIBS       := $(call pkg,--libs,nss nspr)
JSON_CFLAGS    := $(patsubst %/json-c,%,$(call pkg,--cflags,json-c))
JSON_LIBS      := $(call pkg,--libs,json-c)
SYSTEMD_LIBS   := $(call pkg,--libs,libsystemd)
SECCOMP_LIBS   := $(call pkg,--libs,libseccomp)
NETTLE_LIBS    := $(call pkg,--libs,nettle)

# ---- layers ----
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
UTIL       := $(call objects,$(call sources,daemon/util))
CONFIG     := $(call objects,$(call sources,daemon/config))
CHANNEL    := $(call objects,$(call sources,daemon/channel))
SUPERVISOR := $(call objects,$(call sources,daemon/supervisor))
BROKER     := $(call objects,$(call sources,daemon/broker) $(call sources,daemon/broker/*)) $(patsubst %,$(BUILD)/obj/gen/broker/%.o,methods/methods methods/parameters base/replies)
WORKER     := $(call objects,$(foreach d,daemon/worker $(wildcard daemon/worker/*/),$(call sources,$(d:/=))))
DOCTOR     := $(call objects,$(call sources,daemon/doctor))
AUDIT      := $(call objects,$(call sources,daemon/audit))
SANDBOX    := $(call objects,$(call sources,daemon/sandbox))
FILTERS    := broker audit supervisor
PROTO      := $(call objects,$(call sources,proto)) $(BUILD)/obj/gen/interfaces.o
CLIENT     := $(call objects,$(call sources,client)) $(BUILD)/obj/gen/client/stubs.o
TOKENDCTL  := $(call objects,$(call sources,client/tokendctl))
BACKUP     := $(call objects,$(call sources,daemon/backup))
MODULE     := $(call objects,$(call sources,client/pkcs11))

# org.varlink.service first.
INTERFACES := proto/org.varlink.service.varlink $(sort $(wildcard proto/io.tokend.*.varlink))
# What proto/generate makes of them; included as "gen/broker/methods/methods.h".
GENERATED         := $(foreach f,broker/methods/methods broker/methods/parameters broker/base/replies client/stubs,$(addprefix $(BUILD)/gen/$(f).,c h)) \
	$(BUILD)/gen/proto/enums.h $(BUILD)/gen/config/rights.h
GENERATED_HEADERS := $(filter %.h,$(GENERATED))

PROGRAMS := $(BUILD)/tokend $(BUILD)/tokend-broker $(BUILD)/tokend-worker \
	$(BUILD)/tokend-audit $(BUILD)/tokend-doctor $(BUILD)/tokendctl
SONAME   := libtokend.so.0
LIBRARY  := $(BUILD)/libtokend.so $(BUILD)/libtokend.a $(BUILD)/libtokend-pkcs11.so

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all help
all: $(PROGRAMS) $(LIBRARY) $(BUILD)/man/made

help:
	@echo 'make            builds everything into build/, from where it runs uninstalled'
	@echo 'make deps       installs the packages that are missing (Debian), or names them (Fedora)'
	@echo 'make demo       shows the main job, on tokens made under build/demo'
	@echo 'make test       every test, under the sanitizers; the last line says how many passed'
	@echo 'make unit       the tests of single modules alone; make integration: those of the whole'
	@echo 'make tsan       what has threads under ThreadSanitizer: all unit tests, and some of the whole (or T=…)'
	@echo 'make test-systemd  the units under a real systemd, in a container (root, systemd-nspawn)'
	@echo 'make test-claims  two daemons that want one nickname, 500 times'
	@echo 'make soak       processes killed and stopped under eight clients, SOAK_SECONDS=600'
	@echo 'make soak-module  nginx and JSS sign through the PKCS #11 module, while processes are killed, SOAK_SECONDS=600'
	@echo 'make test-stops  stops and reloads under eight clients, SOAK_STOPS=1000'
	@echo 'make test-no-memory  each allocation of each program fails once'
	@echo 'make lint       layers, headers, formatting, clang, clang-tidy, pages, scripts'
	@echo 'make lint-changed  of single files only those that differ from main (BASE=COMMIT: from that)'
	@echo 'make cases DIR=…   runs the scripts DIR/NAME/run, CASE_SECONDS=600 each, and says how many hold'
	@echo 'make fuzz       each parser under libFuzzer (clang), FUZZ_SECONDS=20 each; T=uri for one'
	@echo 'make model      checks, with spin, that a nickname stays unique over hosts'
	@echo 'make bench      signatures a second: direct calls, NSS, p11-kit, tokend; BENCH_PART=modules for another comparison'
	@echo 'make bench-check  the same, and whether a ratio is worse than that of tests/bench/record.json'
	@echo 'make bench-plot   draws what `make bench` measured'
	@echo 'make bench-flood  what floods of others cost one client (as root)'
	@echo 'make format     applies clang-format'
	@echo 'make install    with DESTDIR= and PREFIX=; make uninstall takes it away again'
	@echo 'make deb        packages for Debian, into build/deb'
	@echo 'make clean      removes build/'
	@echo
	@echo 'CC=clang  WERROR=1  V=1 (show commands)  SANITIZE=address,undefined (a build tree of its own)  BUILD=DIR'
	@echo 'T=test_sign (make integration: of these files alone; T=test_sign.Sign of one class)'
	@echo 'T=util_uri (make unit: of these suites alone; T=util_uri.test_all of one test)'

# ---- packages ----
# What each command needs; tests/deps asks the package manager and installs what is not there.
.PHONY: deps
deps:
	@tests/deps build demo test systemd lint

$(BUILD)/lib/util.a: $(UTIL)
$(BUILD)/lib/config.a: $(CONFIG)
$(BUILD)/lib/channel.a: $(CHANNEL)
$(BUILD)/lib/supervisor.a: $(SUPERVISOR)
$(BUILD)/lib/broker.a: $(BROKER)
$(BUILD)/lib/worker.a: $(WORKER)
$(BUILD)/lib/audit.a: $(AUDIT)
$(BUILD)/lib/doctor.a: $(DOCTOR)
$(BUILD)/lib/sandbox.a: $(SANDBOX) $(FILTERS:%=$(BUILD)/obj/gen/sandbox/%.o)
$(BUILD)/lib/proto.a: $(PROTO)
$(BUILD)/lib/tokendctl.a: $(TOKENDCTL) $(BACKUP)
$(BUILD)/lib/%.a:
	$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

DAEMON_LIBS = $(BUILD)/lib/config.a $(BUILD)/lib/channel.a $(BUILD)/lib/sandbox.a $(BUILD)/lib/util.a
$(BUILD)/tokend: $(BUILD)/obj/daemon/supervisor/main.o $(BUILD)/lib/supervisor.a $(DAEMON_LIBS)
$(BUILD)/tokend: LIBS = $(SYSTEMD_LIBS)
$(BUILD)/tokend-broker: $(BUILD)/obj/daemon/broker/main.o $(BUILD)/lib/broker.a $(BUILD)/lib/proto.a $(DAEMON_LIBS)
$(BUILD)/tokend-broker: LIBS = $(SYSTEMD_LIBS) $(JSON_LIBS)
$(BUILD)/tokend-worker: $(BUILD)/obj/daemon/worker/main.o $(BUILD)/lib/worker.a $(DAEMON_LIBS)
$(BUILD)/tokend-worker: LIBS = $(NSS_LIBS)
$(BUILD)/tokend-audit: $(BUILD)/obj/daemon/audit/main.o $(BUILD)/lib/audit.a $(BUILD)/lib/channel.a $(BUILD)/lib/sandbox.a $(BUILD)/lib/util.a
$(BUILD)/tokend-audit: LIBS = $(NETTLE_LIBS)
# Of the worker's archive it takes the one file that reads what a module says of a token, which needs no NSS.
$(BUILD)/tokend-doctor: $(BUILD)/obj/daemon/doctor/main.o $(BUILD)/lib/doctor.a $(BUILD)/lib/worker.a $(BUILD)/libtokend.a $(BUILD)/lib/proto.a $(DAEMON_LIBS)
$(BUILD)/tokend-doctor: LIBS = $(SYSTEMD_LIBS) $(JSON_LIBS) -ldl -lpthread
$(BUILD)/tokendctl: $(BUILD)/obj/client/tokendctl/main.o $(BUILD)/lib/tokendctl.a $(BUILD)/libtokend.a $(BUILD)/lib/proto.a $(BUILD)/lib/config.a $(BUILD)/lib/util.a
$(BUILD)/tokendctl: LIBS = $(NETTLE_LIBS) $(JSON_LIBS) -lpthread
$(PROGRAMS):
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -pie -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

$(BUILD)/$(SONAME): $(CLIENT) $(PROTO) $(BUILD)/lib/util.a client/libtokend.map
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/libtokend.map \
		-o $@ $(filter %.o %.a,$^) $(JSON_LIBS) -lpthread
$(BUILD)/libtokend.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@
# One object (with what it needs of util.a), in which all but tokend_* is local: a program's own fail() or json_parse() must not meet ours.
$(BUILD)/libtokend.a: $(CLIENT) $(PROTO) $(BUILD)/lib/util.a
	$(say) AR $@
	$(Q)$(LD) -r -o $(BUILD)/obj/libtokend.o $^ && $(OBJCOPY) --localize-hidden $(BUILD)/obj/libtokend.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(BUILD)/obj/libtokend.o

# The PKCS #11 module brings libtokend along: it works from wherever it is loaded.
$(BUILD)/libtokend-pkcs11.so: $(MODULE) $(BUILD)/libtokend.a $(BUILD)/lib/util.a client/pkcs11/libtokend-pkcs11.map
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -Wl,-Bsymbolic -Wl,-z,defs -Wl,-soname,libtokend-pkcs11.so \
		-Wl,--version-script=client/pkcs11/libtokend-pkcs11.map -o $@ $(filter %.o %.a,$^) $(JSON_LIBS) $(NETTLE_LIBS) -lpthread

# ---- compiling ----
EXTRA_CFLAGS =
$(BUILD)/obj/daemon/worker/% $(BUILD)/obj/daemon/doctor/% $(BUILD)/obj/client/pkcs11/%: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/obj/daemon/broker/% $(BUILD)/obj/gen/% $(BUILD)/obj/proto/% $(BUILD)/obj/client/%: EXTRA_CFLAGS += $(JSON_CFLAGS)
$(BUILD)/obj/%.o: %.c | $(GENERATED_HEADERS)
	$(say) CC $<
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(TOKEND_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
# Where an installed tokend finds the others is compiled in: another LIBEXECDIR, another object.
$(call objects,daemon/util/program-path.c): $(BUILD)/gen/libexecdir
$(BUILD)/gen/libexecdir: always
	$(Q)mkdir -p $(@D) && echo '$(LIBEXECDIR)' | cmp -s - $@ || echo '$(LIBEXECDIR)' > $@
.PHONY: always
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c | $(GENERATED_HEADERS)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(TOKEND_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
$(GENERATED): $(INTERFACES) $(wildcard proto/generate/*.py)
	$(say) GEN $@
	$(Q)mkdir -p $(@D) && $(PYTHON) -B proto/generate $(patsubst $(BUILD)/gen/%,%,$@) $(INTERFACES) > $@

# The seccomp filters, which libseccomp makes of their rules.
COMPILE_FILTERS := $(BUILD)/lib/compile-filters
$(COMPILE_FILTERS): $(call objects,$(wildcard daemon/sandbox/compile/*.c))
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $^ $(SECCOMP_LIBS)
$(FILTERS:%=$(BUILD)/gen/sandbox/%.c): $(COMPILE_FILTERS)
	$(say) GEN $@
	$(Q)mkdir -p $(@D) && ASAN_OPTIONS=detect_leaks=0 $(COMPILE_FILTERS) $(basename $(@F)) > $@

# The interface files as C strings.
$(BUILD)/gen/interfaces.c: $(INTERFACES) Makefile
	$(say) GEN $@
	$(Q)mkdir -p $(@D) && { echo '#include "proto/interface.h"'; \
		echo 'const struct proto_interface proto_interfaces[] = {'; \
		for f in $(INTERFACES); do n=$${f#proto/}; echo "{\"$${n%.varlink}\","; \
			sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$f; echo '},'; done; \
		echo '};'; echo 'const size_t n_proto_interfaces = sizeof(proto_interfaces) / sizeof(proto_interfaces[0]);'; } > $@

# A page for each function, from what the header says of it.
PAGES := $(patsubst %,$(BUILD)/man/%.3,$(shell sed -n 's/^[a-z].*[ *]\(tokend_[a-z_]*\)[(][^)]*.*/\1/p' client/tokend.h))
$(PAGES): $(BUILD)/man/made
$(BUILD)/man/made: client/tokend.h man/functions.py
	$(say) GEN $(@D)
	$(Q)rm -rf $(@D) && $(PYTHON) -B man/functions.py client/tokend.h $(VERSION) $(@D) && touch $@

# ---- installing ----
INSTALL     ?= install
# FILES with their place, as SOURCE>DIRECTORY: one list for install and for uninstall.
section      = $(patsubst .%,%,$(suffix $(1)))
INSTALL_DATA = client/tokend.h>$(INCLUDEDIR) $(BUILD)/libtokend.a>$(LIBDIR) $(BUILD)/libtokend.pc>$(PKGCONFIGDIR) \
	$(foreach f,README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md LICENSE,$(f)>$(DOCDIR)) $(foreach f,$(wildcard docs/*.md docs/*.svg),$(f)>$(DOCDIR)/docs) $(foreach f,$(wildcard docs/clients/*.md),$(f)>$(DOCDIR)/docs/clients) \
	$(foreach f,$(wildcard docs/examples/*.c),$(f)>$(DOCDIR)/examples/libtokend) \
	$(foreach f,$(wildcard proto/*.varlink),$(f)>$(PREFIX)/share/varlink) \
	client/pkcs11/tokend.module>$(PREFIX)/share/p11-kit/modules \
	client/tokendctl/completion/tokendctl>$(PREFIX)/share/bash-completion/completions \
	client/tokendctl/completion/_tokendctl>$(PREFIX)/share/zsh/site-functions \
	client/tokendctl/completion/tokendctl.fish>$(PREFIX)/share/fish/vendor_completions.d \
	$(foreach f,$(wildcard man/*.[1-8]) $(PAGES),$(f)>$(MANDIR)/man$(call section,$(f)))
INSTALL_PROGRAMS = $(BUILD)/tokend>$(SBINDIR) $(BUILD)/tokend-broker>$(LIBEXECDIR)/tokend \
	$(BUILD)/tokend-worker>$(LIBEXECDIR)/tokend $(BUILD)/tokend-audit>$(LIBEXECDIR)/tokend $(BUILD)/tokend-doctor>$(LIBEXECDIR)/tokend \
	$(BUILD)/tokendctl>$(BINDIR) $(BUILD)/$(SONAME)>$(LIBDIR) $(BUILD)/libtokend-pkcs11.so>$(LIBDIR)/pkcs11
# x.sysusers and x.tmpfiles are called x.conf where they are installed.
target       = $(lastword $(subst >, ,$(1)))/$(patsubst %.tmpfiles,%.conf,$(patsubst %.sysusers,%.conf,$(notdir $(firstword $(subst >, ,$(1))))))

$(BUILD)/libtokend.pc: client/libtokend.pc.in Makefile
	$(Q)mkdir -p $(@D) && sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' $< > $@

.PHONY: install uninstall clean format
install: all
	$(Q)rm -f $(BUILD)/libtokend.pc && $(MAKE) --no-print-directory $(BUILD)/libtokend.pc
	$(Q)set -e; $(foreach i,$(INSTALL_PROGRAMS),$(INSTALL) -D -m 755 $(firstword $(subst >, ,$(i))) $(DESTDIR)$(call target,$(i));) \
		$(foreach i,$(INSTALL_DATA),$(INSTALL) -D -m 644 $(firstword $(subst >, ,$(i))) $(DESTDIR)$(call target,$(i));) \
		ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtokend.so
uninstall:
	$(Q)rm -f $(foreach i,$(INSTALL_PROGRAMS) $(INSTALL_DATA),$(DESTDIR)$(call target,$(i))) $(DESTDIR)$(LIBDIR)/libtokend.so \
		$(DESTDIR)/var/lib/prometheus/node-exporter/tokend.prom
	$(Q)rmdir $(DESTDIR)$(LIBEXECDIR)/tokend $(DESTDIR)$(DOCDIR)/examples/libtokend $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR)/docs/clients $(DESTDIR)$(DOCDIR)/docs $(DESTDIR)$(DOCDIR) \
		$(addprefix $(DESTDIR),$(PKGCONFIGDIR) $(PREFIX)/share/varlink $(INSTALL_DIRS)) 2>/dev/null || :

C_FILES = $(shell find proto daemon client tests docs -name '*.[ch]')
format:
	$(Q)clang-format -i $(C_FILES)
clean:
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

include tests/tests.mk
include tests/systemd/systemd.mk
include packaging/packaging.mk
include tests/model/model.mk
include tests/fuzz/fuzz.mk
