# `cmake --install`: the program, the libraries, their headers and a CMake package, so that
# find_package(salus) gives another project salus::engine, salus::models and salus::kernels.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(salus_libraries kernels io core evaluate report data similar infer stream explain train measure
  engine models)
foreach(name ${salus_libraries})
  set_target_properties(salus_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS salus_${name} EXPORT salus ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()
install(EXPORT salus NAMESPACE salus:: FILE salusTargets.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/salus)

foreach(folder kernels engine models)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/salus
    FILES_MATCHING PATTERN "*.h")
endforeach()
install(TARGETS salus RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET salus_kernels_cuda)
  install(TARGETS salus_kernels_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/salusConfig.cmake.in
  ${PROJECT_BINARY_DIR}/salusConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/salus)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/salusConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/salusConfig.cmake ${PROJECT_BINARY_DIR}/salusConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/SalusDependencies.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/salus)
