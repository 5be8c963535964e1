# SPDX-License-Identifier: MPL-2.0
# Test programs. Included by the Makefile.

# One CUnit program: every tests/unit/test_*.c registers its suite by a constructor.
UNIT := $(call objects,$(wildcard tests/unit/*.c))
UNIT_LIBS = $(BUILD)/lib/broker.a $(BUILD)/lib/supervisor.a $(BUILD)/lib/worker.a $(BUILD)/libtokend.a $(DAEMON_LIBS)
$(BUILD)/obj/tests/unit/test_worker_%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/obj/tests/unit/%.o: EXTRA_CFLAGS += $(JSON_CFLAGS)
$(BUILD)/tests/unit: $(UNIT) $(UNIT_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $(UNIT) \
		-Wl,--start-group $(UNIT_LIBS) -Wl,--end-group $(JSON_LIBS) $(SYSTEMD_LIBS) $(SECCOMP_LIBS) $(NSS_LIBS) -lcunit -lpthread
