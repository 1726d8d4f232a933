cimport cython

@cython.final
cdef class Writer:
    cdef char* buffer
    cdef Py_ssize_t size
    cdef Py_ssize_t room
    cdef int grow(self, Py_ssize_t more) except -1
    cdef int byte(self, int b) except -1
    cdef int head(self, int b, unsigned long long value, int width) except -1
    cdef int raw(self, const char* data, Py_ssize_t n) except -1
    cdef int array(self, Py_ssize_t n) except -1
    cdef int truth(self, bint value) except -1
    cdef int put(self, object value) except -1
    cdef int slice(self, bytes held, Py_ssize_t since, Py_ssize_t until) except -1
    cdef int put_text(self, str value) except -1

@cython.final
cdef class Reader:
    cdef bytes held
    cdef const unsigned char* at
    cdef const unsigned char* end
    cdef int need(self, Py_ssize_t n) except -1
    cdef int byte(self) except -1
    cdef unsigned long long number(self, int width) except? 0
    cdef Py_ssize_t array(self) except -1
    cdef bint nil(self) except -1
    cdef bint truth(self) except -1
    cdef Py_ssize_t mapping(self) except -1
    cdef object get(self)
    cdef object get_list(self)
    cdef int skip(self) except -1
    cdef Py_ssize_t place(self) except -1
    cdef bytes slice(self)

cdef class Packed:
    cdef int pack(self, Writer w) except -1
    cdef int unpack(self, Reader r) except -1

cdef class Encoder:
    cpdef bytes encode(self, value)

cdef class Decoder:
    cdef object kind
    cdef object other
    cdef bint packed
    cdef bint many
    cpdef decode(self, raw)

cdef Reader reader_at(bytes held, Py_ssize_t at)
