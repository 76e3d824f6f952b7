# What `cmake --install` and `cpack -G DEB` take where: the program, its units and configuration, its
# manual pages and completion. Paths are Debian's; a DESTDIR before them makes an image of the system.
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
  set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "the units name /usr/bin/matriculad" FORCE)
endif()

set(config ${PROJECT_SOURCE_DIR}/config)
set(documents share/doc/matriculad)
set(configurations matriculad.conf admin.conf portal.conf kv-replica.conf backup.env)

install(TARGETS matriculad RUNTIME DESTINATION bin)

file(GLOB units CONFIGURE_DEPENDS ${config}/systemd/*.service ${config}/systemd/*.timer)
install(FILES ${units} DESTINATION lib/systemd/system)
install(FILES ${config}/systemd/matriculad.sysusers DESTINATION lib/sysusers.d RENAME matriculad.conf)
install(FILES ${config}/systemd/matriculad.tmpfiles DESTINATION lib/tmpfiles.d RENAME matriculad.conf)
install(PROGRAMS ${config}/backup/nightly-backup DESTINATION lib/matriculad)

# What the operator has changed is his: installing again leaves it (dpkg sees to that by itself).
foreach(name ${configurations})
  install(CODE "
    if(NOT EXISTS \"\$ENV{DESTDIR}/etc/matriculad/${name}\")
      file(INSTALL \"${config}/${name}\" DESTINATION /etc/matriculad)
    endif()")
endforeach()

install(FILES ${config}/completion/matriculad DESTINATION share/bash-completion/completions)
install(FILES ${config}/debian/copyright ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${documents})
file(GLOB guides CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
install(FILES ${guides} DESTINATION ${documents})
install(FILES ${config}/mosquitto.conf ${config}/mosquitto.acl DESTINATION ${documents}/examples)
foreach(folder sample prometheus grafana)
  if(EXISTS ${config}/${folder})
    install(DIRECTORY ${config}/${folder} DESTINATION ${documents}/examples)
  endif()
endforeach()

# The manual pages are the program's own --help within a written text; see docs/man/pages.py.
set(pages matriculad.8 matriculad-ctl.1)
set(sources ${pages})
set(built ${pages})
list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/docs/man/)
list(TRANSFORM built PREPEND ${PROJECT_BINARY_DIR}/man/)
find_program(MATRICULA_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
add_custom_command(
  OUTPUT ${built}
  COMMAND ${CMAKE_COMMAND} -E env ${MATRICULA_TEST_ENVIRONMENT}
          ${MATRICULA_PYTHON3} -B ${PROJECT_SOURCE_DIR}/docs/man/pages.py $<TARGET_FILE:matriculad>
          ${PROJECT_BINARY_DIR}/man
  DEPENDS matriculad ${PROJECT_SOURCE_DIR}/docs/man/pages.py ${sources}
  COMMENT "manual pages" VERBATIM)
add_custom_target(matricula_manual ALL DEPENDS ${built})
foreach(page ${pages})
  string(REGEX REPLACE ".*\\." "" section ${page})
  install(CODE "
    set(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/man/man${section}\")
    file(MAKE_DIRECTORY \"\${folder}\")
    execute_process(COMMAND gzip -9nc \"${PROJECT_BINARY_DIR}/man/${page}\"
                    OUTPUT_FILE \"\${folder}/${page}.gz\" COMMAND_ERROR_IS_FATAL ANY)")
endforeach()

list(TRANSFORM configurations PREPEND /etc/matriculad/ OUTPUT_VARIABLE conffiles)
list(JOIN conffiles "\n" conffiles)
file(WRITE ${PROJECT_BINARY_DIR}/debian/conffiles "${conffiles}\n")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME matriculad)
set(CPACK_PACKAGE_VENDOR matriculad)
set(CPACK_PACKAGE_CONTACT "matriculad maintainers <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "university enrollment on a replicated key-value store")
set(CPACK_PACKAGE_DESCRIPTION
"One program serves a university's enrollment: gRPC portals over a store that
is replicated by Raft and speaks the API of etcd v3, with every change told
on an MQTT bus. No seat is sold twice, and what was acknowledged is on the
disks of a majority.
.
The package starts no service: choose the roles of the machine in
/etc/matriculad and enable their units.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR OFF)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/package)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, etcd-client, mosquitto, prometheus")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${config}/debian/postinst ${config}/debian/prerm ${config}/debian/postrm
  ${PROJECT_BINARY_DIR}/debian/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
