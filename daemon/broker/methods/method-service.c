/* SPDX-License-Identifier: MPL-2.0 */
/* org.varlink.service: what this is, and what it speaks. Answered to everybody who can connect. */
#include <string.h>

#include "gen/broker/methods/methods.h"
#include "proto/interface.h"

#define VENDOR  "tokend"
#define PRODUCT "tokend"
/* There is a page on every host that has it. */
#define URL "man:tokend(8)"

void service_get_info(struct op *op)
{
        op_done(op);
}

static bool is_served(const struct op *op, const char *interface)
{
        unsigned socket = op->client->kind == LISTEN_KEYS ? ON_KEYS : ON_STATUS;

        for (size_t i = 0; i < op->broker->n_methods; i++) {
                const struct method *method = &op->broker->methods[i];

                if ((method->socket & socket) && strcmp(method->interface, interface) == 0)
                        return true;
        }
        return false;
}

static void put_interfaces(struct output *output, void *userdata)
{
        const struct op *op = userdata;
        const char *comma = "";

        for (size_t i = 0; i < n_proto_interfaces; i++) {
                if (!is_served(op, proto_interfaces[i].name))
                        continue;
                output_text(output, comma);
                output_string(output, proto_interfaces[i].name);
                comma = ",";
        }
}

enum render service_get_info_render(struct op *op, struct output *output)
{
        service_get_info_reply_put(output, &(struct service_get_info_reply){
                                                   .vendor = VENDOR,
                                                   .product = PRODUCT,
                                                   .version = TOKEND_VERSION,
                                                   .url = URL,
                                                   .interfaces = {put_interfaces, op},
                                           });
        return RENDER_LAST;
}

static const struct proto_interface *find_interface(const struct op *op)
{
        const struct service_get_interface_description_parameters *p = (const void *)op->parameters;

        for (size_t i = 0; i < n_proto_interfaces; i++)
                if (strcmp(proto_interfaces[i].name, p->interface) == 0)
                        return &proto_interfaces[i];
        return NULL;
}

void service_get_interface_description(struct op *op)
{
        const struct service_get_interface_description_parameters *p = (const void *)op->parameters;

        if (find_interface(op))
                op_done(op);
        else
                op_fail_with(op, PROTO_INTERFACE_NOT_FOUND, "interface", p->interface);
}

enum render service_get_interface_description_render(struct op *op, struct output *output)
{
        service_get_interface_description_reply_put(
                output, &(struct service_get_interface_description_reply){find_interface(op)->description});
        return RENDER_LAST;
}
