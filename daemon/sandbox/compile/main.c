/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs when tokend is built: `compile NAME` writes the filter of that process as C. libseccomp makes it, here and not in the
 * processes, because without memory libseccomp 2.5.4 crashes in seccomp_load(), goes round in circles, or says that all is well.
 */
#include <linux/filter.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sandbox/compile/rules.h"

#define LISTS_MAX 3U

/* What a process has: its lists, and what becomes of a call that none of them names. */
struct recipe {
        const char *name;
        uint32_t otherwise;
        uint32_t foreign; /* calls of another architecture, which have other numbers */
        const struct rules *lists[LISTS_MAX];
};

static const struct recipe recipes[] = {
        {"broker", REFUSE, SCMP_ACT_KILL_PROCESS, {&rules_common, &rules_broker, &rules_deadly}},
        {"audit", REFUSE, SCMP_ACT_KILL_PROCESS, {&rules_common, &rules_audit, &rules_deadly}},
        {"supervisor", SCMP_ACT_ALLOW, REFUSE, {&rules_supervisor}},
};

static int add_list(scmp_filter_ctx filter, const struct rules *rules)
{
        int r = 0;

        for (size_t i = 0; i < rules->n && r == 0; i++) {
                const struct rule *rule = &rules->list[i];

                r = seccomp_rule_add_array(
                        filter, rule->action, rule->call, rule->n_arguments, rule->arguments);
                if (r < 0)
                        fprintf(stderr, "rule %zu, call %d: %s\n", i, rule->call, strerror(-r));
        }
        return r;
}

static int make(const struct recipe *recipe, FILE *out)
{
        scmp_filter_ctx filter = seccomp_init(recipe->otherwise);
        int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, recipe->foreign) : -ENOMEM;

        for (size_t i = 0; i < LISTS_MAX && r == 0; i++)
                if (recipe->lists[i])
                        r = add_list(filter, recipe->lists[i]);
        if (r == 0)
                r = seccomp_export_bpf(filter, fileno(out));
        seccomp_release(filter);
        return r;
}

static int print(const struct recipe *recipe, FILE *code)
{
        struct sock_filter at;
        size_t n = 0;

        printf("#include \"daemon/sandbox/filter.h\"\nstatic const struct sock_filter code[] = {\n");
        for (rewind(code); fread(&at, sizeof(at), 1, code) == 1; n++)
                printf("{0x%02x, %u, %u, 0x%08x},\n", at.code, at.jt, at.jf, at.k);
        printf("};\nconst struct filter filter_%s = {code, sizeof(code) / sizeof(code[0])};\n", recipe->name);
        return n == 0 || n > BPF_MAXINSNS || ferror(code) || fflush(stdout) != 0 ? -EIO : 0;
}

int main(int argc, char *argv[])
{
        for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(recipes); i++) {
                FILE *code;
                int r;

                if (strcmp(recipes[i].name, argv[1]) != 0)
                        continue;
                code = tmpfile();
                r = code ? make(&recipes[i], code) : -errno;
                if (r == 0)
                        r = print(&recipes[i], code);
                if (code)
                        fclose(code);
                if (r < 0)
                        fprintf(stderr, "the filter of %s cannot be made: %s\n", argv[1], strerror(-r));
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        fputs("usage: compile broker|audit|supervisor\n", stderr);
        return EXIT_FAILURE;
}
