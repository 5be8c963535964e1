/* SPDX-License-Identifier: MPL-2.0 */
/* From the bytes of one message to a request of the connection: the one table of methods is here. */
#pragma once

#include "daemon/broker/request.h"

/* Appends the request that the message is, or one that has already failed. -ENOMEM. */
int dispatch(struct connection *connection, char *text, size_t length);

/* What came cannot be a message: answers so in its turn, and nothing is read behind it. */
int dispatch_broken(struct connection *connection);

/* Whether the socket serves an interface; for GetInfo. */
bool dispatch_serves(enum listen_kind kind, const char *interface);

/* ---- the methods ---- */

/* List, of keys and of certificates. */
void any_list(struct request *request);
enum render keys_list_render(struct request *request, struct output *output);
void keys_get(struct request *request);
enum render keys_key_render(struct request *request, struct output *output);
void keys_generate(struct request *request);
void keys_delete(struct request *request);
void keys_sign(struct request *request);
enum render keys_sign_render(struct request *request, struct output *output);
void keys_verify(struct request *request);
enum render keys_verify_render(struct request *request, struct output *output);
void keys_random(struct request *request);
enum render keys_random_render(struct request *request, struct output *output);

void certificates_get(struct request *request);
enum render certificates_certificate_render(struct request *request, struct output *output);
enum render certificates_list_render(struct request *request, struct output *output);
void certificates_request(struct request *request);
enum render certificates_request_render(struct request *request, struct output *output);
void certificates_self_sign(struct request *request);
void certificates_import(struct request *request);
void certificates_delete(struct request *request);
void certificates_check(struct request *request);
enum render certificates_check_render(struct request *request, struct output *output);

void service_get_info(struct request *request);
enum render service_get_info_render(struct request *request, struct output *output);
void service_get_description(struct request *request);
enum render service_get_description_render(struct request *request, struct output *output);

void status_get(struct request *request);
enum render status_get_render(struct request *request, struct output *output);
void status_watch(struct request *request);
enum render status_watch_render(struct request *request, struct output *output);
enum render status_metrics_render(struct request *request, struct output *output);
void status_probe(struct request *request);
enum render status_probe_render(struct request *request, struct output *output);
void status_remove_claim(struct request *request);
