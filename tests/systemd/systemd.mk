# SPDX-License-Identifier: MPL-2.0
# Units and what belongs to them: installing them, and their tests under a real systemd. Included by the Makefile.

# The files in systemd/ are whole, with the paths of a distribution; another PREFIX= is put in as they are installed.
UNITS := $(patsubst %,$(BUILD)/%,$(wildcard systemd/*.service systemd/*.socket systemd/*.timer))
SYSUSERS := $(patsubst %,$(BUILD)/%,$(wildcard systemd/*.sysusers))
TMPFILES := $(patsubst %,$(BUILD)/%,$(wildcard systemd/*.tmpfiles))
DATADIR ?= $(PREFIX)/share
UNITDIR ?= $(SYSTEMDDIR)/systemd/system
$(UNITS) $(SYSUSERS) $(TMPFILES): $(BUILD)/%: % always
	$(Q)mkdir -p $(@D) && sed -e 's|/usr/sbin/tokend|$(SBINDIR)/tokend|' -e 's|/usr/bin/tokendctl|$(BINDIR)/tokendctl|' \
		-e 's|/usr/share/tokend|$(DATADIR)/tokend|' $< > $@
INSTALL_DATA += $(foreach f,$(UNITS),$(f)>$(UNITDIR)) \
	$(foreach f,$(SYSUSERS),$(f)>$(SYSTEMDDIR)/sysusers.d) $(foreach f,$(TMPFILES),$(f)>$(SYSTEMDDIR)/tmpfiles.d) \
	systemd/tokend.catalog>$(SYSTEMDDIR)/systemd/catalog \
	systemd/tokend.conf>$(DATADIR)/tokend $(foreach f,$(wildcard monitoring/*),$(f)>$(DATADIR)/tokend) $(foreach f,$(wildcard systemd/examples/*),$(f)>$(DOCDIR)/examples)
# What uninstall removes where nothing else is in it.
INSTALL_DIRS = $(DATADIR)/tokend $(UNITDIR) $(addprefix $(SYSTEMDDIR)/,systemd/catalog systemd sysusers.d tmpfiles.d)
install: $(UNITS) $(SYSUSERS) $(TMPFILES)

# A user of tokend.h alone, as the PROBES of the integration tests.
$(BUILD)/tests/load: $(BUILD)/obj/tests/systemd/load.o $(BUILD)/libtokend.so
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $< -L$(BUILD) -Wl,-rpath,'$$ORIGIN/..' -ltokend -lpthread

.PHONY: test-systemd
test-systemd:
	@tests/deps build test systemd
	$(again) all $(BUILD)/tests/load
	@BUILD=$(BUILD) MAKE='$(MAKE)' T='$(T)' $(PYTHON) -B tests/systemd/run.py
