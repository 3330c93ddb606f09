#include "drop.h"

static const char *const names[] = {
#define X(name, text) text,
    CHATTER_DROPS(X)
#undef X
};

const char *drop_name(int reason) {
    return names[reason];
}
