/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl certs, request, self-sign, import, delete-cert and remove-claim. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/text.h"

/* A certificate of LIMIT_CERTIFICATE in PEM, with the text that people write around it. */
#define FILE_MAX_BYTES (256U * 1024U)

/* "2026-11-24 19:47" UTC. */
static void time_format(int64_t usec, char *buffer, size_t size)
{
        time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;

        if (!gmtime_r(&seconds, &tm) || strftime(buffer, size, "%Y-%m-%d %H:%M", &tm) == 0)
                snprintf(buffer, size, "-");
}

static int print_table(struct tokend_certificate *const *certificates, size_t n)
{
        static const char *const heads[] = {
                "TOKEN", "NICKNAME", "SUBJECT", "ISSUER", "SERIAL", "NOT AFTER (UTC)", "ID", "KEY"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < n; i++) {
                const struct tokend_certificate *certificate = certificates[i];
                char until[64];

                time_format(certificate->not_after_usec, until, sizeof(until));
                table_add(&table, certificate->token);
                table_add(&table, certificate->nickname);
                table_add(&table, certificate->subject);
                table_add(&table, certificate->issuer);
                table_add(&table, certificate->serial_number);
                table_add(&table, until);
                table_add(&table, certificate->id);
                table_add(&table, certificate->has_private_key ? "yes" : "no");
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r == 0 ? EXIT_DONE : no_memory();
}

int verb_certs(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        struct tokend_certificates *list;
        struct tokend_failure failure;
        int r = EXIT_DONE;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_list_certificates(handle, o->arguments[0], o->nickname,
                                              o->timeout_ms, &list, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json) {
                printf("{\"certificates\":[");
                for (size_t i = 0; i < list->n_certificates; i++)
                        printf("%s%s", i > 0 ? ",\n" : "\n", list->certificates[i]->json);
                printf("%s]", list->n_certificates > 0 ? "\n" : "");
                list_end_print(list->end);
                printf("}\n");
        } else if (o->pem) {
                for (size_t i = 0; i < list->n_certificates && r == EXIT_DONE; i++)
                        r = ctl_output_pem(&CTL_OUTPUT_STANDARD, "CERTIFICATE", list->certificates[i]->der,
                                list->certificates[i]->der_length);
        } else {
                r = print_table(list->certificates, list->n_certificates);
        }
        if (r == EXIT_DONE)
                r = list_end_status(list->end);
        tokend_certificates_free(list);
        return r;
}

/* From --subject and --dns. */
static int take_subject(const struct ctl_options *o, const char *verb, struct tokend_subject *ret)
{
        if (!o->subject)
                return usage("%s needs --subject, such as 'CN=CA Signing Certificate,O=EXAMPLE'", verb);
        *ret = (struct tokend_subject){.struct_size = sizeof(*ret),
                .key = o->arguments[0],
                .subject = o->subject,
                .dns_names = o->dns_names,
                .n_dns_names = o->n_dns_names};
        return EXIT_DONE;
}

/* A handle, and --algorithm: left out, it is the daemon that chooses. */
static int open_for_subject(const struct ctl_options *o, struct tokend **ret, struct tokend_subject *subject)
{
        *ret = open_main(o);
        if (!*ret)
                return EXIT_USAGE;
        return o->algorithm ? signature_algorithm(o, *ret, &subject->algorithm) : EXIT_DONE;
}

int verb_request(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *der = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct tokend_failure failure;
        struct tokend_subject subject;
        size_t length;
        int r = take_subject(o, "request", &subject);

        if (r == EXIT_DONE)
                r = open_for_subject(o, &handle, &subject);
        if (r == EXIT_DONE)
                r = o->der ? ctl_output_open_binary(o, &output) : ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_READS, tokend_request_certificate(handle, &subject, o->timeout_ms, &der,
                                              &length, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                return ctl_output_json_bytes(&output, "request", der, length);
        return o->der ? ctl_output_write(&output, der, length)
                      : ctl_output_pem(&output, "CERTIFICATE REQUEST", der, length);
}

/* Writes a certificate that is on the token now. */
static int put_certificate(
        const struct ctl_options *o, struct ctl_output *output, const struct tokend_certificate *certificate)
{
        _cleanup_(freep) char *line = NULL;

        if (o->der)
                return ctl_output_write(output, certificate->der, certificate->der_length);
        if (!o->json)
                return ctl_output_pem(output, "CERTIFICATE", certificate->der, certificate->der_length);
        line = text_format("{\"certificate\":%s}\n", certificate->json);
        return line ? ctl_output_write(output, line, strlen(line)) : no_memory();
}

int verb_self_sign(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct tokend_certificate *certificate;
        struct tokend_failure failure;
        struct tokend_subject subject;
        enum tokend_error error;
        int r = take_subject(o, "self-sign", &subject);

        if (r != EXIT_DONE)
                return r;
        if (o->days == 0)
                return usage("self-sign needs --days, the number of days that the certificate is valid");
        r = open_for_subject(o, &handle, &subject);
        if (r == EXIT_DONE)
                r = o->der ? ctl_output_open_binary(o, &output) : ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        error = PATIENTLY(PATIENCE_CHANGES,
                tokend_self_sign(handle, &subject, o->days, o->ca, o->timeout_ms, &certificate, &failure));
        if (error != TOKEND_OK)
                return refused(o, &failure);
        r = put_certificate(o, &output, certificate);
        tokend_certificate_free(certificate);
        return r;
}

static int read_certificate(const char *path, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) unsigned char *file = NULL;
        size_t length;
        int r = file_read(path, FILE_MAX_BYTES, &file, &length);

        if (r < 0)
                return usage("%s: %s", path, r == -EFBIG ? "too long to be a certificate" : strerror(-r));
        r = pem_read("CERTIFICATE", file, length, ret, ret_length);
        if (r == -E2BIG)
                return usage("%s: the file has several certificates; import takes one at a time", path);
        return r < 0 ? usage("%s: expected a certificate in PEM or DER", path) : EXIT_DONE;
}

/* What import printed, and what became of the old ones on standard error. */
static int print_replacement(const struct ctl_options *o, const struct tokend_replacement *replacement)
{
        if (o->json) {
                printf("{\"certificate\":%s,\"replaced\":[", replacement->certificate->json);
                for (size_t i = 0; i < replacement->n_replaced; i++)
                        printf("%s\"%s\"", i > 0 ? "," : "", replacement->replaced[i]);
                printf("],\"unchanged\":%s}\n", replacement->unchanged ? "true" : "false");
                return EXIT_DONE;
        }
        if (replacement->unchanged)
                fprintf(stderr, "The token has this very certificate already; nothing was done.\n");
        for (size_t i = 0; i < replacement->n_replaced; i++)
                fprintf(stderr, "It replaced the certificate of serial number %s.\n",
                        replacement->replaced[i]);
        return print_table(&replacement->certificate, 1);
}

static int import_in_place(const struct ctl_options *o, struct tokend *handle, const char *token,
        const char *nickname, const void *der, size_t length)
{
        struct tokend_replacement *replacement;
        struct tokend_failure failure;
        int r;

        if (tokend_replace_certificate(
                    handle, token, nickname, der, length, o->timeout_ms, &replacement, &failure) != TOKEND_OK)
                return refused(o, &failure);
        r = print_replacement(o, replacement);
        tokend_replacement_free(replacement);
        return r;
}

int verb_import(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *der = NULL;
        _cleanup_(freep) char *token = NULL;
        struct tokend_certificate *certificate;
        struct tokend_failure failure;
        const char *nickname;
        size_t length;
        int r = split_name(o->arguments[0], &token, &nickname);

        if (r == EXIT_DONE)
                r = read_certificate(o->arguments[1], &der, &length);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (o->replace)
                return import_in_place(o, handle, token, nickname, der, length);
        if (PATIENTLY(PATIENCE_CHANGES, tokend_import_certificate(handle, token, nickname, der, length,
                                                o->timeout_ms, &certificate, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{\"certificate\":%s}\n", certificate->json);
        else
                r = print_table(&certificate, 1);
        tokend_certificate_free(certificate);
        return r;
}

int verb_delete_cert(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct tokend_failure failure;

        if (!o->yes)
                return usage("delete-cert removes the certificate for good; give --yes to confirm");
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_CHANGES, tokend_delete_certificate_of(handle, o->arguments[0], o->serial,
                                                o->timeout_ms, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{}\n");
        return EXIT_DONE;
}

int verb_remove_claim(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *claimant = NULL;
        size_t length;
        struct tokend_failure failure;
        int r;

        if (!o->claimant)
                return usage("remove-claim needs --claimant; tokendctl status shows it with the claim");
        if (hex_parse(o->claimant, &claimant, &length) < 0)
                return usage("--claimant: expected hexadecimal digits, not '%s'", o->claimant);
        fprintf(stderr,
                "A claim keeps other hosts from making an object with its nickname. Remove it only if tokend "
                "on\n"
                "its host is stopped, or has restarted its worker for this token since the claim was made.\n"
                "Otherwise two hosts may make an object with the same nickname.\n");
        if (!o->yes)
                return usage("give --yes to confirm that this is the case");
        r = open_status(o, &handle);
        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_CHANGES, tokend_remove_claim(handle, o->arguments[0], o->arguments[1],
                                                o->claimant, o->timeout_ms, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{}\n");
        return EXIT_DONE;
}
