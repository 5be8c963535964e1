# SPDX-License-Identifier: MPL-2.0
# tokend. `make help` says what there is. One Makefile for all; every object of a layer goes into that layer's
# archive, and a program links the archives that ARCHITECTURE.md lets it.

VERSION    = 0.1.0
PREFIX    ?= /usr/local
BINDIR    ?= $(PREFIX)/bin
SBINDIR   ?= $(PREFIX)/sbin
LIBDIR    ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
MANDIR    ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
CC        ?= cc
PKG_CONFIG ?= pkg-config
PYTHON    ?= /usr/bin/python3

# SANITIZE=address,undefined: another tree of objects, below build/ too.
SANITIZE  ?=
comma     := ,
BUILD     ?= build$(if $(SANITIZE),/sanitize-$(subst $(comma),-,$(SANITIZE)))
WERROR    ?=
V         ?=
Q         := $(if $(V),,@)
say        = $(if $(V),@:,@printf '  %-7s %s\n')

CFLAGS    ?= -O2 -g
TOKEND_CFLAGS = -std=c17 -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fPIC -fstack-protector-strong -fvisibility=hidden \
	-Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wundef \
	-Wformat=2 -Wvla -Wno-unused-parameter $(if $(WERROR),-Werror) \
	-DTOKEND_VERSION='"$(VERSION)"' -DLIBEXECDIR='"$(LIBEXECDIR)/tokend"' -I. -I$(BUILD)/gen \
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

# ---- layers ----
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
UTIL       := $(call objects,$(call sources,daemon/util))
CONFIG     := $(call objects,$(call sources,daemon/config))
CHANNEL    := $(call objects,$(call sources,daemon/channel))
SUPERVISOR := $(call objects,$(call sources,daemon/supervisor))
BROKER     := $(call objects,$(call sources,daemon/broker))
WORKER     := $(call objects,$(call sources,daemon/worker))
PROTO      := $(call objects,$(call sources,proto)) $(BUILD)/obj/gen/interfaces.o
CLIENT     := $(call objects,$(call sources,client))
TOKENDCTL  := $(call objects,$(call sources,client/tokendctl))

PROGRAMS := $(BUILD)/tokend $(BUILD)/tokend-broker $(BUILD)/tokend-worker $(BUILD)/tokendctl
SONAME   := libtokend.so.0
LIBRARY  := $(BUILD)/libtokend.so $(BUILD)/libtokend.a

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all
all: $(PROGRAMS) $(LIBRARY)

$(BUILD)/lib/util.a: $(UTIL)
$(BUILD)/lib/config.a: $(CONFIG)
$(BUILD)/lib/channel.a: $(CHANNEL)
$(BUILD)/lib/supervisor.a: $(SUPERVISOR)
$(BUILD)/lib/broker.a: $(BROKER)
$(BUILD)/lib/worker.a: $(WORKER)
$(BUILD)/lib/proto.a: $(PROTO)
$(BUILD)/lib/tokendctl.a: $(TOKENDCTL)
$(BUILD)/lib/%.a:
	$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

DAEMON_LIBS = $(BUILD)/lib/config.a $(BUILD)/lib/channel.a $(BUILD)/lib/util.a
$(BUILD)/tokend: $(BUILD)/obj/daemon/supervisor/main.o $(BUILD)/lib/supervisor.a $(DAEMON_LIBS)
$(BUILD)/tokend: LIBS = $(SYSTEMD_LIBS)
$(BUILD)/tokend-broker: $(BUILD)/obj/daemon/broker/main.o $(BUILD)/lib/broker.a $(BUILD)/lib/proto.a $(DAEMON_LIBS)
$(BUILD)/tokend-broker: LIBS = $(SYSTEMD_LIBS) $(SECCOMP_LIBS) $(JSON_LIBS)
$(BUILD)/tokend-worker: $(BUILD)/obj/daemon/worker/main.o $(BUILD)/lib/worker.a $(DAEMON_LIBS)
$(BUILD)/tokend-worker: LIBS = $(NSS_LIBS)
$(BUILD)/tokendctl: $(BUILD)/obj/client/tokendctl/main.o $(BUILD)/lib/tokendctl.a $(BUILD)/libtokend.a
$(BUILD)/tokendctl: LIBS = $(NSS_LIBS) $(JSON_LIBS) -lpthread
$(PROGRAMS):
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -pie -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

$(BUILD)/$(SONAME): $(CLIENT) $(PROTO) client/libtokend.map
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/libtokend.map \
		-o $@ $(filter %.o,$^) $(JSON_LIBS) -lpthread
$(BUILD)/libtokend.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@
$(BUILD)/libtokend.a: $(CLIENT) $(PROTO)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---- compiling ----
EXTRA_CFLAGS =
$(BUILD)/obj/daemon/worker/% $(BUILD)/obj/client/tokendctl/hash.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/obj/daemon/broker/% $(BUILD)/obj/proto/% $(BUILD)/obj/client/%: EXTRA_CFLAGS += $(JSON_CFLAGS)
$(BUILD)/obj/%.o: %.c
	$(say) CC $<
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(TOKEND_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(TOKEND_CFLAGS) -MMD -MP -c -o $@ $<

# The interface files as C strings, org.varlink.service first.
INTERFACES := proto/org.varlink.service.varlink $(sort $(wildcard proto/io.tokend.*.varlink))
$(BUILD)/gen/interfaces.c: $(INTERFACES) Makefile
	$(say) GEN $@
	$(Q)mkdir -p $(@D) && { echo '#include "proto/interface.h"'; \
		echo 'const struct proto_interface proto_interfaces[] = {'; \
		for f in $(INTERFACES); do n=$${f#proto/}; echo "{\"$${n%.varlink}\","; \
			sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$f; echo '},'; done; \
		echo '};'; echo 'const size_t n_proto_interfaces = sizeof(proto_interfaces) / sizeof(proto_interfaces[0]);'; } > $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

include tests/tests.mk
