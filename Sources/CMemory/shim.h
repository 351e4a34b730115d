// memfd_create(2), which <sys/mman.h> declares under _GNU_SOURCE only, as Swift's Glibc does not have it.
int memfd_create(const char *name, unsigned int flags);
