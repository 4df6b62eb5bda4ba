#include "tls/kernel.h"

#include <endian.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* What the kernel takes; the beginning is common to all. */
union crypto {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes_128;
    struct tls12_crypto_info_aes_gcm_256 aes_256;
    struct tls12_crypto_info_chacha20_poly1305 chacha;
};

struct cipher {
    uint16_t type;
    size_t size, sequence; /* of the structure, and where in it the record number stands */
    size_t nonce; /* where the part of the nonce stands that TLS 1.2 sends along; 0: none */
    const char *name;
};

static const struct cipher ciphers[] = {
    {TLS_CIPHER_AES_GCM_128, sizeof(struct tls12_crypto_info_aes_gcm_128),
     offsetof(struct tls12_crypto_info_aes_gcm_128, rec_seq),
     offsetof(struct tls12_crypto_info_aes_gcm_128, iv), "AES-128-GCM"},
    {TLS_CIPHER_AES_GCM_256, sizeof(struct tls12_crypto_info_aes_gcm_256),
     offsetof(struct tls12_crypto_info_aes_gcm_256, rec_seq),
     offsetof(struct tls12_crypto_info_aes_gcm_256, iv), "AES-256-GCM"},
    {TLS_CIPHER_CHACHA20_POLY1305, sizeof(struct tls12_crypto_info_chacha20_poly1305),
     offsetof(struct tls12_crypto_info_chacha20_poly1305, rec_seq), 0, "ChaCha20-Poly1305"},
};

enum { HEADER_BYTES = 5, TAG_BYTES = 16, NONCE_BYTES = 8, TYPE_BYTES = 1 };

/* One per process: made by tls_kernel_start(), read-only afterwards. */
static struct {
    bool looked;
    bool works[COUNT_OF(ciphers)];
    char words[160];
} found;

/* Against a kernel that reckons in another way: an end that is late is better than none. */
enum { ASKED_MOST = 1000 };

struct tls_kernel {
    union crypto crypto; /* wiped once the kernel has it, but for what tells the cipher */
    const struct cipher *cipher;
    uint64_t records; /* before: made by the library. After: the number of the kernel's first */
    uint64_t plain;   /* bytes that the socket has taken since */
    uint64_t queued;  /* bytes that TCP had been given by then */
    unsigned asked;
    bool engaged;
};

/* --- numbers within the structures ----------------------------------------------------------- */

static uint64_t get_number(const union crypto *crypto, size_t offset)
{
    uint64_t number;
    memcpy(&number, (const unsigned char *)crypto + offset, sizeof number);
    return be64toh(number);
}

static void set_number(union crypto *crypto, size_t offset, uint64_t number)
{
    number = htobe64(number);
    memcpy((unsigned char *)crypto + offset, &number, sizeof number);
}

static size_t overhead(const struct tls_kernel *kernel)
{
    if (kernel->crypto.info.version == TLS_1_3_VERSION)
        return HEADER_BYTES + TYPE_BYTES + TAG_BYTES;
    return HEADER_BYTES + (kernel->cipher->nonce > 0 ? NONCE_BYTES : 0u) + TAG_BYTES;
}

/* --- a connection ---------------------------------------------------------------------------- */

static struct tls_kernel *note(const struct cipher *cipher, const void *crypto_info)
{
    struct tls_kernel *kernel = calloc(1, sizeof *kernel);
    if (kernel == NULL)
        return NULL;
    memcpy(&kernel->crypto, crypto_info, cipher->size);
    kernel->cipher = cipher;
    return kernel;
}

void tls_kernel_free(struct tls_kernel *kernel)
{
    if (kernel != NULL)
        OPENSSL_cleanse(&kernel->crypto, sizeof kernel->crypto);
    free(kernel);
}

void tls_kernel_count(struct tls_kernel *kernel)
{
    kernel->records++;
}

/* All bytes that TCP has ever been given. An acknowledgement between the two questions makes it
 * too few, never too many. */
static bool count_queued(int fd, uint64_t *ret)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    int unacknowledged = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_bytes_received) ||
        ioctl(fd, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged < 0)
        return false;
    *ret = (uint64_t)info.tcpi_bytes_acked + (uint64_t)unacknowledged;
    return true;
}

/* Where the library's records end. TLS 1.2 sends a part of its nonce along, which only has to be
 * another one each time: the kernel's are in the other half of all that there are. */
static void move_on(struct tls_kernel *kernel)
{
    const struct cipher *cipher = kernel->cipher;
    union crypto *crypto = &kernel->crypto;
    uint64_t records = kernel->records;
    kernel->records += get_number(crypto, cipher->sequence);
    set_number(crypto, cipher->sequence, kernel->records);
    if (cipher->nonce > 0 && crypto->info.version == TLS_1_2_VERSION)
        set_number(crypto, cipher->nonce,
                   (get_number(crypto, cipher->nonce) + records) ^ UINT64_C(1) << 63);
}

/* A record that fills all that TCP may hold is left there half, without a timer to send it: so
 * kernels did before 6.5, where TCP was given a page at a time. */
enum { ROOM_LEAST = 32 * 1024 };

static bool has_room(int fd)
{
    int room;
    socklen_t size = sizeof room;
    return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &size) == 0 && room >= ROOM_LEAST;
}

bool tls_kernel_engage(struct tls_kernel *kernel, int fd)
{
    if (!has_room(fd) || !count_queued(fd, &kernel->queued) ||
        setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0)
        return false;
    move_on(kernel);
    if (setsockopt(fd, SOL_TLS, TLS_TX, &kernel->crypto, (socklen_t)kernel->cipher->size) != 0)
        return false;
    struct tls_crypto_info kept = kernel->crypto.info;
    OPENSSL_cleanse(&kernel->crypto, sizeof kernel->crypto);
    kernel->crypto.info = kept;
    kernel->engaged = true;
    return true;
}

bool tls_kernel_is_engaged(const struct tls_kernel *kernel)
{
    return kernel != NULL && kernel->engaged;
}

void tls_kernel_took(struct tls_kernel *kernel, size_t count)
{
    kernel->plain += count;
}

bool tls_kernel_alert(struct tls_kernel *kernel, int fd, unsigned char level,
                      unsigned char description)
{
    unsigned char alert[2] = {level, description};
    union {
        struct cmsghdr header;
        unsigned char room[CMSG_SPACE(1)];
    } control = {.room = {0}};
    struct iovec part = {alert, sizeof alert};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    control.header.cmsg_level = SOL_TLS;
    control.header.cmsg_type = TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(&control.header) = 21; /* alert, RFC 8446 §5.1 */
    ssize_t count;
    do
        count = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof alert)
        return false;
    kernel->plain += sizeof alert;
    return true;
}

/* What the kernel has made of what it was given: so many records, each with so much around it. */
static bool count_expected(const struct tls_kernel *kernel, int fd, uint64_t *ret)
{
    union crypto now;
    socklen_t size = (socklen_t)kernel->cipher->size;
    if (getsockopt(fd, SOL_TLS, TLS_TX, &now, &size) != 0)
        return false;
    uint64_t records = get_number(&now, kernel->cipher->sequence) - kernel->records;
    OPENSSL_cleanse(&now, sizeof now);
    *ret = kernel->queued + kernel->plain + records * overhead(kernel);
    return true;
}

bool tls_kernel_is_drained(struct tls_kernel *kernel, int fd)
{
    uint64_t expected, queued;
    return !count_expected(kernel, fd, &expected) || !count_queued(fd, &queued) ||
           queued >= expected || ++kernel->asked > ASKED_MOST;
}

struct tls_kernel *tls_kernel_note(const void *crypto_info)
{
    struct tls_crypto_info info;
    memcpy(&info, crypto_info, sizeof info);
    if (info.version != TLS_1_2_VERSION && info.version != TLS_1_3_VERSION)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(ciphers); i++)
        if (found.works[i] && ciphers[i].type == info.cipher_type)
            return note(&ciphers[i], crypto_info);
    return NULL;
}

/* --- what this kernel can -------------------------------------------------------------------- */

/* An unconnected socket is enough to tell a kernel that knows nothing of TLS: 0, or its errno. */
static int ask_for_layer(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int failed = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ? 0 : errno;
    (void)close(fd);
    return failed == ENOTCONN ? 0 : failed;
}

/* A connection to ourselves; false: errno. */
static bool connect_pair(int ret[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ret[1] = -1;
    if (listener >= 0 && ret[0] >= 0 &&
        bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        connect(ret[0], (struct sockaddr *)&address, size) == 0)
        ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int failed = errno;
    if (listener >= 0)
        (void)close(listener);
    errno = failed;
    return ret[1] >= 0;
}

/* All that a session needs of it, once; false: errno. */
static bool try_on(const struct cipher *cipher, int fd)
{
    union crypto crypto = {.info = {TLS_1_3_VERSION, cipher->type}};
    struct tls_kernel *kernel = note(cipher, &crypto);
    bool works = false;
    if (kernel != NULL && tls_kernel_engage(kernel, fd) && send(fd, "", 1, MSG_NOSIGNAL) == 1) {
        tls_kernel_took(kernel, 1);
        works = tls_kernel_is_drained(kernel, fd) && kernel->asked == 0;
        errno = ENOTSUP; /* unless it works: it counts differently */
    }
    int failed = errno;
    tls_kernel_free(kernel);
    errno = failed;
    return works;
}

static bool try_cipher(const struct cipher *cipher)
{
    int pair[2];
    bool works = connect_pair(pair) && try_on(cipher, pair[0]);
    int failed = errno;
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            (void)close(pair[i]);
    errno = failed;
    return works;
}

/* How the library counts records and gives keys away was tried with these only. */
static bool library_is_known(void)
{
    return OPENSSL_version_major() == 3 && OPENSSL_version_minor() <= 1;
}

PRINTF(1, 2) static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(found.words, sizeof found.words, format, arguments);
    va_end(arguments);
}

static void say_ciphers(void)
{
    char list[100] = "";
    for (size_t i = 0; i < COUNT_OF(ciphers); i++) {
        size_t have = strlen(list);
        if (found.works[i])
            (void)snprintf(list + have, sizeof list - have, "%s%s", have > 0 ? ", " : "",
                           ciphers[i].name);
    }
    say("available (%s)", list);
}

static void look(void)
{
    const char *wish = getenv("MUXGATE_KERNEL_TLS");
    if (wish != NULL && strcmp(wish, "off") == 0) {
        say("not used (MUXGATE_KERNEL_TLS=off)");
        return;
    }
    int failed = ask_for_layer();
    if (failed == ENOENT)
        say("not available (the kernel has no tls module, or has not loaded it)");
    else if (failed == 0 && !library_is_known())
        say("not used with this OpenSSL (3.0 and 3.1 are known to work)");
    if (found.words[0] != '\0')
        return;
    for (size_t i = 0; failed == 0 && i < COUNT_OF(ciphers); i++)
        found.works[i] = try_cipher(&ciphers[i]);
    if (tls_kernel_is_there())
        say_ciphers();
    else
        say("not available (%s)", strerror(failed != 0 ? failed : errno));
}

void tls_kernel_start(void)
{
    if (!found.looked)
        look();
    found.looked = true;
}

bool tls_kernel_is_there(void)
{
    for (size_t i = 0; i < COUNT_OF(ciphers); i++)
        if (found.works[i])
            return true;
    return false;
}

const char *tls_kernel_words(void)
{
    return found.words;
}
