/* SPDX-License-Identifier: MPL-2.0 */
/* See slot-identity.h. */
#include "daemon/worker/device/slot-identity.h"

#include <stdio.h>

#include "daemon/util/text.h"

static void identify_slot(CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, struct uri_token *identity)
{
        CK_SLOT_INFO info;

        if (p11->C_GetSlotInfo(slot, &info) != CKR_OK)
                return;
        text_field(identity->parts[URI_SLOT_DESCRIPTION], info.slotDescription, sizeof(info.slotDescription));
        text_field(identity->parts[URI_SLOT_MANUFACTURER], info.manufacturerID, sizeof(info.manufacturerID));
}

static void identify_library(CK_FUNCTION_LIST_PTR p11, struct uri_token *identity)
{
        CK_INFO info;

        if (p11->C_GetInfo(&info) != CKR_OK)
                return;
        text_field(identity->parts[URI_LIBRARY_DESCRIPTION], info.libraryDescription,
                sizeof(info.libraryDescription));
        text_field(
                identity->parts[URI_LIBRARY_MANUFACTURER], info.manufacturerID, sizeof(info.manufacturerID));
        snprintf(identity->parts[URI_LIBRARY_VERSION], sizeof(identity->parts[URI_LIBRARY_VERSION]), "%u.%u",
                info.libraryVersion.major, info.libraryVersion.minor);
}

void slot_token_identity(
        CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *info, struct uri_token *ret)
{
        struct uri_token identity = {.slot_id = slot};

        text_field(identity.parts[URI_TOKEN], info->label, sizeof(info->label));
        text_field(identity.parts[URI_SERIAL], info->serialNumber, sizeof(info->serialNumber));
        text_field(identity.parts[URI_MANUFACTURER], info->manufacturerID, sizeof(info->manufacturerID));
        text_field(identity.parts[URI_MODEL], info->model, sizeof(info->model));
        identify_slot(p11, slot, &identity);
        identify_library(p11, &identity);
        *ret = identity;
}
